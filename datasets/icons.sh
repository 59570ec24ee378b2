#!/usr/bin/env bash
# Colour icons of the Oxygen theme (LGPL-3+), as Debian's package oxygen-icon-theme has them: 64×64 pictures, scaled down and
# put on white, labelled by their kinds (actions, apps, devices, …).
# Usage: datasets/icons.sh [OUTPUT.h5] [SIZE]
set -euo pipefail

output=${1:-icons.h5} size=${2:-32}
source=${OXYGEN:-/usr/share/icons/oxygen/base/64x64}
if [[ ! -d $source ]]; then
    echo "icons: $source is missing; run: apt-get install oxygen-icon-theme" >&2
    exit 1
fi
exec "${SMD:-smd}" dataset prepare images "$source" --size "$size" --channels 3 --filter lanczos --duplicates drop \
    --output "$output"
