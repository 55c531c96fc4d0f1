#!/bin/sh
# Index this project's documentation with a real model, then ask three questions.
set -eu
youtu() {
    printf '\n$ youtu-st'
    for word in "$@"; do
        case $word in *\ *) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    "${BIN:-.venv/bin}/youtu-st" "$@"
}
rm -rf .demo
youtu index build docs --out .demo/index
youtu index search .demo/index "When does a token count in the mean?" -k 2
youtu index search .demo/index "What happens when the process is killed while adding?" -k 2
youtu index search .demo/index "Why are my query vectors different in LangChain?" -k 2
