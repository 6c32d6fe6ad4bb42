#!/bin/sh
# Installs the servers that the benchmarks compare with, newest versions, each where tests/bench/servers.py looks for it.
# One that cannot be installed is told of and left out: the benchmarks skip what is not there.
#
# install-servers.sh DIRECTORY
set -u

mkdir -p "$1"
cd "$1"
directory=$(pwd)

# attempt NAME TOOL COMMAND…: run the command, whose tool may not be there.
attempt() {
    name=$1 tool=$2
    shift 2
    if ! command -v "$tool" > /dev/null; then
        echo "$name: skipped, needs $tool" >&2
    elif "$@" > "$name.log" 2>&1; then
        echo "$name: installed"
    else
        echo "$name: not installed, see $directory/$name.log" >&2
    fi
}

# python_server NAME PACKAGE…: in a virtual environment of its own, made anew when it is broken.
python_server() {
    name=$1
    shift
    "$name/bin/python" -m pip --version > /dev/null 2>&1 || python3 -m venv --clear "$name" || return
    "$name/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "$@"
}

attempt node npm npm install --prefix node --no-audit --no-fund @tus/server@latest @tus/file-store@latest
attempt tuspyserver python3 python_server tuspyserver tuspyserver fastapi 'uvicorn[standard]'
attempt resumable-upload python3 python_server resumable-upload resumable-upload 'uvicorn[standard]'
attempt tusd go env GOBIN="$directory/tusd" go install github.com/tus/tusd/v2/cmd/tusd@latest
attempt rustus cargo cargo install --locked --root rustus rustus
