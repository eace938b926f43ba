#!/bin/sh
# Installs what building and testing need, and does nothing when it is there.
#
#   sh tests/deps.sh          everything that tests/run.sh uses
#   sh tests/deps.sh build    what library, examples and benchmarks need
#
# The only place of the project that installs anything.
set -eu

build="gcc libc6-dev meson ninja-build pkg-config
	libxxhash-dev uthash-dev libjemalloc-dev libjansson-dev libssl-dev
	libhiredis-dev libcurl4-openssl-dev
	libmsgpack-dev libnuma-dev librocksdb-dev liburing-dev libzmq3-dev"
tests="g++ clang llvm clang-format libcriterion-dev binutils git
	python3 python3-cffi python3-pycparser python3-zmq
	redis-server redis-tools openssl
	iproute2
	spin"

die()
{
	echo "deps.sh: $*" >&2
	exit 1
}

case "${1:-all}" in
build) wanted=$build ;;
all) wanted="$build $tests" ;;
*) die "usage: deps.sh [build|all]" ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	absent=
	for tool in cc meson ninja pkg-config python3; do
		command -v "$tool" >/dev/null || absent="$absent $tool"
	done
	[ -z "$absent" ] && exit 0
	echo "deps.sh: not a Debian system; install the equivalent of:" >&2
	printf '\t%s\n' $wanted >&2
	die "missing:$absent"
fi

# Names of $* that are not installed.
missing()
{
	for package; do
		status=$(dpkg-query -W -f '${db:Status-Status}' "$package" \
			2>/dev/null) || status=
		[ "$status" = installed ] || printf '%s ' "$package"
	done
}

as_root()
{
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo env DEBIAN_FRONTEND=noninteractive "$@"
	else
		die "run as root or install sudo; to install: $absent"
	fi
}

install()
{
	echo "deps.sh: installing: $*"
	export DEBIAN_FRONTEND=noninteractive
	# One source that does not answer need not stop us.
	as_root apt-get update -q || echo "deps.sh: apt-get update failed" >&2
	as_root apt-get install -y -q --no-install-recommends "$@" ||
		die "apt-get could not install: $*"
}

absent=$(missing $wanted)
[ -z "$absent" ] || install $absent

# The sanitizers' run-time libraries: a package of their own since clang 14,
# part of libclang-common before.
if [ "${1:-all}" = all ]; then
	runtime=$(clang -print-resource-dir)/lib/linux
	if ! ls "$runtime"/libclang_rt.asan-*.a >/dev/null 2>&1; then
		major=$(clang -dumpversion | cut -d. -f1)
		absent=libclang-rt-$major-dev
		install "$absent"
	fi
fi
