#!/bin/sh
# The main job of libaibrix in one command:
#
#   sh examples/quickstart.sh
#
# Installs what is missing (Debian packages, as root or through sudo), builds
# into build/, and replays a generated conversation workload over eight pods
# with real cache memory and a real on-disk L2, under several routing
# policies.  The last thing printed is what each policy costs.
set -eu

cd "$(dirname "$0")/.."

echo "quickstart: installing what is missing"
sh tests/deps.sh build

echo "quickstart: building into build/"
# A build folder that was set up before is used as it is.
if [ ! -f build/build.ninja ]; then
	rm -rf build/meson-private
	meson setup build
fi
ninja -C build examples/replay

# The slot file of L2 lives here and goes with it.
dir=$(mktemp -d "${TMPDIR:-/tmp}/aibrix-quickstart.XXXXXX")
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

echo "quickstart: replaying 2000 requests under four policies"
build/examples/replay --generate conversation --requests 2000 --seed 1 \
	--pods 8 --policy random,least-request,prefix-cache,cost \
	--l2 "file:$dir" --l2-bytes 256M

echo
echo "Try other workloads and fleets: build/examples/replay --help"
