"""Reports: folders of results beside each other and beside what was published."""

from __future__ import annotations

from youtu_st.evaluation.report.markdown import markdown, table_csv
from youtu_st.evaluation.report.page import page
from youtu_st.evaluation.report.report import Report, make_report
from youtu_st.evaluation.report.values import as_values

__all__ = ["Report", "as_values", "make_report", "markdown", "page", "table_csv"]
