#!/bin/sh
# Install the programs of the tests on services and of the fault bench, as packages of Debian; start none of them.
set -u
packages='munge slurm-wlm postgresql rabbitmq-server openssh-server faketime'

if dpkg -s $packages >/dev/null 2>&1; then
    echo "services: the packages are installed: $packages"
    exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "services: there is no apt-get here; install what Debian calls: $packages" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null && exec sudo -n sh "$0"
    echo "services: apt-get needs root: sudo make services" >&2
    exit 1
fi

# Debian starts what it installs, unless this program forbids it
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
wait="-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 -o Acquire::Retries=1 -o DPkg::Lock::Timeout=60"
if { timeout 90 apt-get update $wait &&
    timeout 240 apt-get install -y --no-install-recommends $wait $packages; } </dev/null >"$log" 2>&1; then
    echo "services: installed $packages"
else
    echo "services: apt-get could not install $packages: $(grep '^[EW]:' "$log" | tail -n 1)" >&2
    exit 1
fi
