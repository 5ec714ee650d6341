#!/usr/bin/env bash
# A second real S3 server: OpenStack Swift with its s3api, from Debian's own packages, on one loopback node.
#   tests/store/second_server.sh FOLDER PORT
# Needs apt-get with its lists, and Debian's python3; needs no root and installs nothing: packages are unpacked below
# FOLDER, once. Serves http://127.0.0.1:PORT until it is stopped, its inner servers on PORT+1 to PORT+4.
# Region us-east-1, access key test:tester, secret key testing.
set -euo pipefail
folder=$(mkdir -p "$1" && cd "$1" && pwd)
port=$2
system=$folder/system etc=$folder/etc
python=/usr/bin/python3

unpack() {
    mkdir -p "$folder/packages/partial"
    apt-get install -qq --yes --no-install-recommends --download-only -o Debug::NoLocking=true \
        -o Dir::Cache::archives="$folder/packages" swift-proxy swift-account swift-container swift-object \
        memcached libevent-2.1-7
    for package in "$folder"/packages/*.deb; do dpkg -x "$package" "$folder/unpacking"; done
    mv "$folder/unpacking" "$system"
}

[ -d "$system" ] || unpack
export PYTHONPATH=$system/usr/lib/python3/dist-packages
export LD_LIBRARY_PATH=$system/usr/lib/$(uname -m)-linux-gnu

mkdir -p "$etc" "$folder/devices/one" "$folder/cache"
cat > "$etc/swift.conf" <<END
[swift-hash]
swift_hash_path_prefix = phrasemill
swift_hash_path_suffix = phrasemill
END

cat > "$etc/proxy.conf" <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $port
workers = 0
swift_dir = $etc
user = $(id -un)
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats s3api tempauth slo proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$((port + 4))
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
dns_compliant_bucket_names = yes
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
END

offset=0
for part in account container object; do
    offset=$((offset + 1))
    cat > "$etc/$part.conf" <<END
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $((port + offset))
workers = 0
swift_dir = $etc
devices = $folder/devices
mount_check = false
user = $(id -un)
recon_cache_path = $folder/cache
# An object's listing is waited for: no updater runs that would bring it later.
container_update_timeout = 20
[pipeline:main]
pipeline = $part-server
[app:$part-server]
use = egg:swift#$part
END
    builder=$etc/$part.builder
    rm -f "$builder" "$etc/$part.ring.gz"
    for step in "create 2 1 1" "add r1z1-127.0.0.1:$((port + offset))/one 1" "rebalance"; do
        # shellcheck disable=SC2086 - the step is words
        "$python" "$system/usr/bin/swift-ring-builder" "$builder" $step > "$folder/rings.log" 2>&1 ||
            { cat "$folder/rings.log" >&2; exit 1; }
    done
done

# A server reads swift.conf from /etc/swift, and no option of its own tells it another place.
launch='import runpy, sys
from swift.common.utils import set_swift_dir
set_swift_dir(sys.argv.pop(1))
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")'
servers=()
trap 'kill "${servers[@]}" 2> /dev/null || true' EXIT
trap 'exit 143' TERM INT
"$system/usr/bin/memcached" -l 127.0.0.1 -p $((port + 4)) -U 0 -m 16 -u "$(id -un)" > "$folder/memcached.log" 2>&1 &
servers+=($!)
for part in account container object proxy; do
    "$python" -c "$launch" "$etc" "$system/usr/bin/swift-$part-server" "$etc/$part.conf" --verbose > "$folder/$part.log" 2>&1 &
    servers+=($!)
done
wait -n || true
echo "one of Swift's servers has ended; see $folder/*.log" >&2
exit 1
