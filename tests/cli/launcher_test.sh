#!/usr/bin/env bash
# Tests the launcher at the root with stand-ins for the build tools and the package manager, so that
# nothing is installed or built: what it asks for, when it builds, and how it passes words on.
# SPDX-License-Identifier: MIT
#
#   launcher_test.sh LAUNCHER
set -euo pipefail

launcher=$(readlink -f "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset NASENGINE_BUILD_DIR NASENGINE_CMAKE_ARGS

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  for file in out err calls; do
    printf -- '--- %s\n' "$file" >&2
    cat "$work/$file" >&2 || true
  done
  exit 1
}
expect_in() { grep -qF -- "$2" "$work/$1" || fail "$1 does not hold: $2"; }
expect_not_in() { ! grep -qF -- "$2" "$work/$1" || fail "$1 holds: $2"; }
expect_calls() {
  local found
  found=$(grep -c "^$1" "$work/calls" || true)
  [[ $found == "$2" ]] || fail "expected $2 call(s) of $1, found $found"
}

# A clone whose path has a blank, as a careless user's may.
make_clone() {
  clone="$work/a clone"
  rm -rf "$clone"
  mkdir -p "$clone"/{kernels,autograd,data,nas,tests,bench}
  cp "$launcher" "$clone/nasengine"
  touch "$clone/CMakeLists.txt" "$clone/kernels/tensor.cc"
}

shim() {
  cat >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}

mkdir -p "$work/bin"
export WORK=$work
touch "$work/missing"
shim dpkg-query <<'SHIM'
#!/bin/bash
echo "dpkg-query" >>"$WORK/calls"
shift 3
for package; do
  grep -qx "$package" "$WORK/missing" || echo "$package installed"
done
SHIM
shim apt-get <<'SHIM'
#!/bin/bash
echo "apt-get $*" >>"$WORK/calls"
case $1 in
  update) rm -f "$WORK/stale"; exit 0 ;;
esac
if [[ -e $WORK/stale || -e $WORK/unknown ]]; then
  echo "E: Unable to locate package" >&2
  exit 100
fi
[[ $2 == -s ]] || : >"$WORK/missing"
SHIM
shim sudo <<'SHIM'
#!/bin/bash
echo "sudo $*" >>"$WORK/calls"
exec "$@"
SHIM
shim id <<'SHIM'
#!/bin/bash
cat "$WORK/uid"
SHIM
shim cmake <<'SHIM'
#!/bin/bash
echo "cmake $*" >>"$WORK/calls"
if [[ $1 == --build ]]; then
  [[ ! -e $WORK/slow ]] || sleep 1
  if [[ -e $WORK/broken ]]; then
    echo "FAILED: kernels/tensor.o"
    echo "tensor.cc:1: error: no such thing"
    exit 1
  fi
  mkdir -p "$2/bench"
  for program in "$2/nasengine" "$2/bench/nasengine_bench"; do
    printf '#!/bin/bash\nprintf "[%%s]" "$(basename "$0")" "$@"\necho\nexit 7\n' >"$program.new"
    chmod +x "$program.new"
    mv "$program.new" "$program"
  done
else
  mkdir -p "$4"
  touch "$4/build.ninja" "$4/CMakeCache.txt"
fi
SHIM
shim ctest <<'SHIM'
#!/bin/bash
echo "ctest $*" >>"$WORK/calls"
echo "100% tests passed"
SHIM
shim ninja <<<'#!/bin/bash'
shim g++ <<<'#!/bin/bash'
export PATH="$work/bin:$PATH"
echo 0 >"$work/uid"

# Runs the launcher of the clone; leaves out, err, calls and the status.
start() {
  : >"$work/calls"
  status=0
  "$clone/nasengine" "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
}

builds_then_starts_at_once() {
  make_clone
  start eval "two words" ""
  [[ $status == 7 ]] || fail "the program's exit status is not passed on: $status"
  [[ $(<"$work/out") == "[nasengine][eval][two words][]" ]] || fail "arguments were not kept"
  expect_calls "cmake -S" 1
  expect_calls "cmake --build" 1
  expect_calls apt-get 0

  local began ended
  began=$(date +%s%N)
  start info
  ended=$(date +%s%N)
  [[ ! -s $work/calls ]] || fail "a fresh build called tools"
  [[ ! -s $work/err ]] || fail "a fresh build is not silent"
  ((ended - began < 200000000)) || fail "start took $(((ended - began) / 1000000)) ms"
}

rebuilds_after_a_change() {
  make_clone
  start
  sleep 0.02
  touch -d 2001-01-01 "$clone/kernels/tensor.cc"
  start
  expect_calls "cmake -S" 0
  expect_calls "cmake --build" 1
  sleep 0.02
  rm "$clone/kernels/tensor.cc"
  start
  expect_calls "cmake --build" 1
  sleep 0.02
  touch "$clone/tests/a_test.cc"
  start
  expect_calls cmake 0
  NASENGINE_CMAKE_ARGS="-DA=1 -DB=2" start
  expect_calls "cmake -S" 1
  expect_in calls " -DA=1 -DB=2"
  mv "$clone" "$work/moved"
  clone=$work/moved
  start
  expect_calls "cmake -S $work/moved" 1
}

starts_through_a_link_from_elsewhere() {
  make_clone
  ln -sf "$clone/nasengine" "$work/bin/linked-nasengine"
  (cd / && "$work/bin/linked-nasengine" zoo >"$work/out" 2>"$work/err") || status=$?
  [[ $(<"$work/out") == "[nasengine][zoo]" ]] || fail "not started through a link"
  [[ -x $clone/build/release/nasengine ]] || fail "built in the wrong place"
  (cd "$work" && NASENGINE_BUILD_DIR=other "$clone/nasengine" zoo >"$work/out" 2>"$work/err") || true
  [[ -x $work/other/nasengine ]] || fail "NASENGINE_BUILD_DIR is not followed"
}

installs_what_is_missing() {
  make_clone
  echo libtomlplusplus-dev >"$work/missing"
  touch "$work/stale"
  start
  [[ $status == 7 ]] || fail "not started after the installation"
  expect_in err "missing libtomlplusplus-dev: TOML files"
  expect_calls "apt-get update" 1
  expect_in calls "--no-install-recommends -o DPkg::Lock::Timeout=120 libtomlplusplus-dev"
  expect_calls sudo 0

  make_clone
  echo 1000 >"$work/uid"
  echo libtomlplusplus-dev >"$work/missing"
  start
  expect_calls "sudo env DEBIAN_FRONTEND=noninteractive apt-get install" 1
  expect_calls "apt-get update" 0
  echo 0 >"$work/uid"
}

stops_where_it_cannot_install() {
  make_clone
  echo libtomlplusplus-dev >"$work/missing"
  touch "$work/unknown"
  start
  [[ $status == 1 ]] || fail "status $status for an unknown package"
  expect_in err "nothing was installed"
  expect_calls "apt-get install -y" 0
  expect_calls cmake 0
  rm "$work/unknown"

  # A system without apt, and one without root or sudo: only the tools that the launcher itself uses.
  mkdir -p "$work/few"
  local tool
  for tool in bash env readlink dirname cut cat find mkdir flock; do
    ln -sf "$(command -v "$tool")" "$work/few/$tool"
  done
  for tool in dpkg-query cmake ninja g++ id; do ln -sf "$work/bin/$tool" "$work/few/$tool"; done
  ln -sf "$(command -v grep)" "$work/few/grep"
  PATH="$work/few" start
  [[ $status == 1 ]] || fail "status $status without apt"
  expect_in err "missing libtomlplusplus-dev: TOML files"
  expect_in err "package manager"
  ln -sf "$work/bin/apt-get" "$work/few/apt-get"
  echo 1000 >"$work/uid"
  PATH="$work/few" start
  [[ $status == 1 ]] || fail "status $status without sudo"
  expect_in err "as root, run: apt-get install --no-install-recommends libtomlplusplus-dev"
  expect_calls apt-get 0
  echo 0 >"$work/uid"
  : >"$work/missing"
}

shows_why_a_build_failed() {
  make_clone
  touch "$work/broken"
  start --json
  [[ $status == 1 ]] || fail "status $status for a broken build"
  expect_in err "tensor.cc:1: error: no such thing"
  expect_in err "launcher.log"
  [[ ! -s $work/out ]] || fail "words on stdout"
  rm "$work/broken"
  start
  expect_calls "cmake --build" 1
}

two_starts_build_once() {
  make_clone
  touch "$work/slow"
  : >"$work/calls"
  "$clone/nasengine" first >"$work/first" 2>/dev/null </dev/null &
  sleep 0.3
  "$clone/nasengine" second >"$work/out" 2>"$work/err" </dev/null || true
  wait $! || true
  rm "$work/slow"
  expect_in err "waiting for another start"
  expect_calls "cmake --build" 1
  [[ $(<"$work/first") == "[nasengine][first]" && $(<"$work/out") == "[nasengine][second]" ]] ||
    fail "one of two starts did not run"
}

says_where_it_cannot_write() {
  make_clone
  touch "$work/a file"
  NASENGINE_BUILD_DIR="$work/a file/build" start
  [[ $status == 1 ]] || fail "status $status for a folder that cannot be made"
  expect_in err "set NASENGINE_BUILD_DIR"
}

tests_and_benchmarks() {
  make_clone
  echo libgmock-dev >"$work/missing"
  start
  expect_not_in err libgmock-dev
  start test -R "a b"
  [[ $status == 0 ]] || fail "status $status of the tests"
  expect_in err "missing libgmock-dev"
  expect_in calls "-DNASENGINE_TESTS=ON"
  expect_in calls "--target all"
  expect_in calls "--output-on-failure"
  expect_in calls "-R a b"
  [[ $(<"$work/out") == "100% tests passed" ]] || fail "other words than ctest's on stdout"
  start bench kernels --json
  [[ $(<"$work/out") == "[nasengine_bench][kernels][--json]" ]] || fail "bench was not started"
  expect_in calls "-DNASENGINE_TESTS=ON -DNASENGINE_BENCH=ON"
}

for case in builds_then_starts_at_once rebuilds_after_a_change starts_through_a_link_from_elsewhere \
  installs_what_is_missing stops_where_it_cannot_install shows_why_a_build_failed \
  two_starts_build_once says_where_it_cannot_write tests_and_benchmarks; do
  "$case"
  echo "passed: $case"
done
