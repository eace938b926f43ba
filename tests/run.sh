#!/bin/sh
# Builds and tests everything, in several builds.
#
#   sh tests/run.sh                  all of it
#   sh tests/run.sh --suite NAME     one suite, in the release build only;
#                                    the long ones run in no other way: faults
#   sh tests/run.sh --build NAME     one build: release, asan, tsan, bare
#
# Last line: N passed, N failed, N skipped.  A case of a Criterion program
# counts as one.  Logs: build*/meson-logs/testlog.txt.
set -u
cd "$(dirname "$0")/.." || exit 1

suite= only=
while [ $# -gt 0 ]; do
	case "$1" in
	--suite) suite=${2:?--suite needs a name}; only=release; shift 2 ;;
	--build) only=${2:?--build needs a name}; shift 2 ;;
	*) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done

sh tests/deps.sh || exit 1

# Two at least: some tests wait for a compiler or a disk.
jobs=$(nproc 2>/dev/null || echo 2)
[ "$jobs" -gt 8 ] && jobs=8

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
: >"$work/steps.txt"
results=$work/steps.txt

say()
{
	printf '== %s\n' "$*"
}

step() # VERDICT NAME
{
	echo "$1 $2" >>"$work/steps.txt"
}

wanted() # BUILD
{
	[ -z "$only" ] || [ "$only" = "$1" ]
}

# A folder that another version of meson left behind is made anew.
configure() # FOLDER COMPILER OPTION...
{
	dir=$1
	case "$2" in
	clang) export CC=clang CXX=clang++ ;;
	*) export CC=gcc CXX=g++ ;;
	esac
	shift 2
	mkdir -p "$dir"
	if [ -f "$dir/build.ninja" ]; then
		meson setup --reconfigure "$dir" "$@" >"$dir/setup.log" 2>&1 ||
		meson setup --wipe "$dir" "$@" >"$dir/setup.log" 2>&1
	else
		meson setup "$dir" "$@" >"$dir/setup.log" 2>&1
	fi || { cat "$dir/setup.log"; return 1; }
}

# Configure, build and test; what is built counts as a step of its own.
build_and_test() # NAME FOLDER COMPILER "TEST OPTIONS" SETUP OPTION...
{
	name=$1 dir=$2 compiler=$3 options=$4
	shift 4
	say "$name: building in $dir"
	rm -f "$dir/build.log"
	if ! configure "$dir" "$compiler" --werror "$@" ||
	   ! ninja -C "$dir" -j "$jobs" -k 0 --quiet \
		>"$dir/build.log" 2>&1; then
		[ ! -f "$dir/build.log" ] || tail -n 100 "$dir/build.log"
		step fail "build-$name"
		return
	fi
	step pass "build-$name"
	say "$name: testing"
	rm -f "$dir"/meson-logs/testlog.json
	# Not quoted: several options.
	$prefix meson test -C "$dir" --no-rebuild --num-processes "$jobs" \
		--print-errorlogs $options >"$dir/test.log" 2>&1
	status=$?
	if [ -s "$dir/meson-logs/testlog.json" ]; then
		cp "$dir/meson-logs/testlog.json" "$work/$name.json"
		results="$results $work/$name.json"
	elif [ $status -ne 0 ] || ! grep -q 'tests defined' "$dir/test.log"; then
		step fail "test-$name"
	fi
	[ $status -eq 0 ] || tail -n 100 "$dir/test.log"
}

# Can a program with this sanitizer run here at all?  Sets prefix to what
# makes it run: some layouts of the address space are too random for it.
sanitizer_runs() # COMPILER SANITIZERS
{
	prefix=
	printf 'int main(void) { return 0; }\n' >"$work/probe.c"
	"$1" "-fsanitize=$2" -o "$work/probe" "$work/probe.c" \
		2>"$work/probe.log" || return 1
	timeout 20 "$work/probe" 2>>"$work/probe.log" && return 0
	prefix="setarch $(uname -m) -R"
	timeout 20 $prefix "$work/probe" 2>>"$work/probe.log"
}

prefix=
if wanted release; then
	options="--no-suite faults"
	[ -z "$suite" ] || options="--suite $suite"
	build_and_test release build gcc "$options" -Dbuildtype=release
fi

if wanted asan; then
	if sanitizer_runs clang address,undefined; then
		options="-t 4"
		for s in unit model oom golden fuzz; do
			options="$options --suite $s"
		done
		build_and_test asan build-asan clang "$options" \
			-Dbuildtype=debugoptimized -Db_lundef=false \
			-Db_sanitize=address,undefined -Db_ndebug=false \
			-Djemalloc=disabled -Dexamples=disabled -Dbench=disabled
	else
		say "asan: programs with this sanitizer do not run here"
		step skip build-asan
	fi
	prefix=
fi

if wanted tsan; then
	if sanitizer_runs clang thread; then
		build_and_test tsan build-tsan clang \
			"-t 4 --suite stress" \
			-Dbuildtype=debugoptimized -Db_lundef=false \
			-Db_sanitize=thread -Db_ndebug=false -Dtests=disabled \
			-Djemalloc=disabled -Dexamples=disabled -Dbench=disabled
	else
		say "tsan: programs with this sanitizer do not run here"
		step skip build-tsan
	fi
	prefix=
fi

if wanted bare; then
	build_and_test bare build-bare gcc "--no-suite faults" \
		-Dbuildtype=release -Dauto_features=disabled -Dlogging=false
fi

say "results"
# Not quoted: several files.
python3 tests/tally.py tests/expected_skips $results
