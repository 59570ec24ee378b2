#!/usr/bin/env bash
# Latents of a data set of images, mirrored ones too, for latent diffusion. The first stage is a run or checkpoint of method:
# autoencoder (launch/presets/autoencoder-fashion.yaml), or a folder of diffusers' AutoencoderKL or AutoencoderTiny: config.json and
# diffusion_pytorch_model.safetensors, which is imported beside the output. A first stage has a licence of its own, which is that
# of its owner; latents that you have already become a data set by smd dataset prepare latents.
# Usage: datasets/latents.sh IMAGES.h5 FIRST-STAGE [OUTPUT.h5]
set -euo pipefail

usage="usage: datasets/latents.sh IMAGES.h5 FIRST-STAGE [OUTPUT.h5]"
images=${1:?$usage} stage=${2:?$usage} output=${3:-latents.h5} smd=${SMD:-smd}
if [[ -f $stage/config.json ]]; then
    imported=${output%.h5}-first-stage.h5
    [[ -e $imported ]] || "$smd" checkpoint import "$stage" --output "$imported"
    stage=$imported
fi
exec "$smd" dataset encode "$images" --first-stage "$stage" --mirror --output "$output"
