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
