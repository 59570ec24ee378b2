#!/usr/bin/env bash
# CIFAR-10 or CIFAR-100 (Krizhevsky, 2009): 50,000 colour photographs of 32×32 to train with and 10,000 to test, from
# cifar-10-binary.tar.gz or cifar-100-binary.tar.gz of https://www.cs.toronto.edu/~kriz/cifar.html (no licence is stated).
# Checks the archive by the MD5 that the page gives, and unpacks it beside the output.
# Usage: datasets/cifar.sh ARCHIVE [train|test] [OUTPUT.h5]
set -euo pipefail

fail() { echo "cifar: $*" >&2; exit 1; }
archive=${1:?usage: datasets/cifar.sh ARCHIVE [train|test] [OUTPUT.h5]} split=${2:-train}
[[ -f $archive ]] || fail "$archive is missing; download it from https://www.cs.toronto.edu/~kriz/cifar.html"
digest=$(md5sum <"$archive")
case ${digest%% *} in
c32a1d4ab5d03f1284b67883e8d87530) folder=cifar-10-batches-bin name=cifar-10 ;;
03b5dce01913d631647c71ecec9e9cb8) folder=cifar-100-binary name=cifar-100 ;;
c58f30108f718f92721af3b95e74349a | eb9058c3a382ffc7106e4002c42a8d85)
    fail "$archive is the version for Python; get the binary version, cifar-10-binary.tar.gz or cifar-100-binary.tar.gz" ;;
*) fail "$archive: MD5 ${digest%% *} is that of neither binary archive; download it again" ;;
esac
output=${3:-$name-$split.h5}
work=$(dirname "$output")
[[ -d $work/$folder ]] || tar -xzf "$archive" -C "$work"
exec "${SMD:-smd}" dataset prepare cifar "$work/$folder" --split "$split" --output "$output"
