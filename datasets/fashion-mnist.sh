#!/usr/bin/env bash
# Fashion-MNIST (Xiao, Rasul, Vollgraf 2017; MIT licence): 60,000 grey images of garments, padded to 32×32.
# Usage: datasets/fashion-mnist.sh [OUTPUT.h5]
set -euo pipefail

output=${1:-fashion-mnist.h5}
source=/usr/share/datasets/fashion-mnist
if [[ ! -d $source ]]; then
    echo "fashion-mnist: $source is missing; run: apt-get install dataset-fashion-mnist" >&2
    exit 1
fi
exec "${SMD:-smd}" dataset prepare fashion-mnist --source "$source" --output "$output"
