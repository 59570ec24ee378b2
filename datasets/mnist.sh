#!/usr/bin/env bash
# MNIST (LeCun, Cortes, Burges; CC BY-SA 3.0): 60,000 grey digits of 28×28, padded to 32×32, from the four .gz files that
# many mirrors have. Checks them by their MD5.
# Usage: datasets/mnist.sh FOLDER [train|test] [OUTPUT.h5]
set -euo pipefail

fail() { echo "mnist: $*" >&2; exit 1; }
folder=${1:?usage: datasets/mnist.sh FOLDER [train|test] [OUTPUT.h5]} split=${2:-train}
case $split in
train) prefix=train digests="f68b3c2dcbeaaa9fbdd348bbdeb94873 d53e105ee54ea40749a09fcbcd1e9432" ;;
test) prefix=t10k digests="9fb629c4189551a2d022fa330f9573f3 ec29112dd5afa0611ce80d1b7f02629c" ;;
*) fail "train or test, not ${split@Q}" ;;
esac
images=$folder/$prefix-images-idx3-ubyte.gz labels=$folder/$prefix-labels-idx1-ubyte.gz
for file in "$images" "$labels"; do
    [[ -f $file ]] || fail "$file is missing; download the four files of MNIST into $folder"
    digest=$(md5sum <"$file")
    [[ " $digests " == *" ${digest%% *} "* ]] || fail "$file: MD5 ${digest%% *} is not that of MNIST"
done
exec "${SMD:-smd}" dataset prepare idx "$images" "$labels" --size 32 --output "${3:-mnist-$split.h5}"
