import re

import pytest
from checkpoints import save_spec

from youtu_st.errors import SpecError
from youtu_st.spec import known_models, known_rerankers, load_reranker_spec, load_spec
from youtu_st.spec.languages import script_of, smallest_that_reads

SAMPLES = {
    "Arabic": "ما هي عاصمة فرنسا؟",
    "Armenian": "Ո՞րն է Ֆրանսիայի մայրաքաղաքը",
    "Bengali": "ফ্রান্সের রাজধানী কী",
    "Cyrillic": "Столица Франции?",
    "Devanagari": "फ्रांस की राजधानी",
    "Ethiopic": "የፈረንሳይ ዋና ከተማ",
    "Georgian": "საფრანგეთის დედაქალაქი",
    "Greek": "Η πρωτεύουσα της Γαλλίας",
    "Gujarati": "ફ્રાન્સની રાજધાની",
    "Gurmukhi": "ਫਰਾਂਸ ਦੀ ਰਾਜਧਾਨੀ",
    "Han": "法国的首都是哪里？繁體中文也是。",
    "Hangul": "프랑스의 수도는 어디입니까",
    "Hebrew": "מהי בירת צרפת?",
    "Kana": "これはひらがなとカタカナのぶんです",
    "Kannada": "ಫ್ರಾನ್ಸ್ ರಾಜಧಾನಿ",
    "Khmer": "រាជធានីបារាំង",
    "Lao": "ນະຄອນຫຼວງຂອງຝຣັ່ງ",
    "Latin": "What is the capital of France? Größe, naïve, Đà Nẵng",
    "Malayalam": "ഫ്രാൻസിന്റെ തലസ്ഥാനം",
    "Myanmar": "ပြင်သစ်မြို့တော်",
    "Oriya": "ଫ୍ରାନ୍ସର ରାଜଧାନୀ",
    "Sinhala": "ප්‍රංශයේ අගනුවර",
    "Tamil": "பிரான்சின் தலைநகரம்",
    "Telugu": "ఫ్రాన్స్ రాజధాని",
    "Thai": "เมืองหลวงของฝรั่งเศสคืออะไร",
    "Tibetan": "ཕ་རན་སིའི་རྒྱལ་ས",
    "Ol Chiki": "ᱯᱷᱨᱟᱱᱥ",
}
PUBLISHED = {
    "minilm": ("en", 22.7, 91),
    "bge-small-zh-v1.5": ("zh", 24, 96),
    "multilingual-e5-small": ("94", 118, 471),
    "snowflake-arctic-embed-m-v2.0": ("74", 305, 1221),
    "multilingual-e5-large-instruct": ("94", 560, 1120),
    "bge-m3": ("100+", 568, 2271),
    "qwen3-embedding-0.6b": ("100+", 596, 1192),
    "youtu-embedding": ("zh en", 2673, 5346),
    "qzhou-embedding": ("zh en", 7070, 14141),
}


def test_the_script_of_most_letters():
    assert {name: script_of(text) for name, text in SAMPLES.items()} == {name: name for name in SAMPLES}
    others = {
        "": "",
        " 123, !? 😀 \u200b\ufeff": "",  # no letter
        "ab 中文字": "Han",
        "中文 abc": "Latin",
        "中文 ab": "Han",  # as many: the first
        "日本語のテキスト": "Kana",
        "〇〆々": "Han",
        "ＡＢＣ １２３": "Latin",  # full width
        "ｱｲｳ": "Kana",  # half width
        "𝐀𝐁 ªº": "Latin",
        "µ": "Greek",
        "\ud800a": "Latin",  # half of a surrogate pair
        "\U000e0041": "",
    }
    assert {text: script_of(text) for text in others} == others


def test_a_long_text_takes_no_longer_than_counting_its_characters():
    assert script_of("สวัสดี " * 1_000_000) == "Thai"


def test_every_spec_says_what_it_reads_and_how_large_it_is():
    encoders = {name: load_spec(name) for name in known_models()}
    rerankers = [load_reranker_spec(name) for name in known_rerankers()]
    for spec in [*encoders.values(), *rerankers]:
        assert spec.languages, spec.name
        assert spec.scripts == "all" or set(spec.scripts) <= set(SAMPLES), spec.name
        # Two or four bytes a parameter.
        assert 1.99 <= spec.download_mb / spec.million_parameters <= 4.02, spec.name
        number, unit = re.search(r"([\d.]+)([MB]) parameters", spec.architecture).groups()
        assert float(number) * {"M": 1, "B": 1000}[unit] == pytest.approx(spec.million_parameters, rel=0.06)
    for name, (languages, millions, megabytes) in PUBLISHED.items():
        spec = encoders[name]
        found = (" ".join(spec.languages), spec.million_parameters, spec.download_mb)
        assert found == (languages, millions, megabytes), name


def test_the_smallest_model_that_reads_a_script():
    wanted = {name: "multilingual-e5-small" for name in SAMPLES} | {
        "Latin": "minilm",
        "Han": "bge-small-zh-v1.5",
        "Tibetan": "qwen3-embedding-0.6b",  # bytes
        "Ol Chiki": "qwen3-embedding-0.6b",
    }
    found = {name: smallest_that_reads(script_of(text)) for name, text in SAMPLES.items()}
    assert {name: spec.name for name, spec in found.items()} == wanted
    assert smallest_that_reads("") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("languages: [English]", r"field 'languages.0'"),
        ("scripts: [latin]", r"field 'scripts"),
        ("million_parameters: 0", r"field 'million_parameters': input should be greater than 0"),
        ("download_mb: 90.9", r"field 'download_mb': input should be a valid integer"),
    ],
)
def test_a_slip_in_them_is_an_error(tmp_path, change, message):
    path = save_spec(tmp_path / "mine.yaml")
    path.write_text(path.read_text() + change)
    with pytest.raises(SpecError, match=message):
        load_spec(path)
