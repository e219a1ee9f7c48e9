#!/usr/bin/env bash
# fetch-tools.sh DIR: put promtool and docker-compose into DIR/bin, out of Debian packages that are unpacked there
# and not installed. Needs Debian's apt and no root; neither of the two needs an engine or a server to check a file.
set -euo pipefail

dir=$(mkdir -p "${1:?where to}" && cd "$1" && pwd)
bin=$dir/bin
if [ -x "$bin/promtool" ] && [ -x "$bin/docker-compose" ]; then exit; fi

# The archive that this machine uses already. Compose v2 came to Debian with this suite.
archive=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' | grep -v security | sort -u | head -n 1)
[ -n "$archive" ] || { echo "this machine has no Debian archive" >&2; exit 1; }
mkdir -p "$bin" "$dir"/{parts,lists/partial,cache/archives/partial}
cat >"$dir/parts/archive.sources" <<SOURCES
Types: deb
URIs: $archive
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCES
apt=(apt-get -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$dir/parts"
    -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir/cache" -o APT::Sandbox::User= -o Debug::NoLocking=1)
cd "$dir"
"${apt[@]}" update
"${apt[@]}" download promtool docker-compose
for package in *.deb; do dpkg-deb -x "$package" unpacked; done
install unpacked/usr/bin/promtool unpacked/usr/libexec/docker/cli-plugins/docker-compose "$bin"
rm -rf unpacked lists cache parts ./*.deb
