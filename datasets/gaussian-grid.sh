#!/usr/bin/env bash
# 100,000 points from a grid of 7×7 Gaussians that spans −1…1, after the toy of the SMD paper (arXiv 2309.14068). The
# mixture is stored with the points, so that samples of a model can be compared with the truth.
# Usage: datasets/gaussian-grid.sh [OUTPUT.h5]
set -euo pipefail

exec "${SMD:-smd}" dataset prepare gaussian-grid --count 100000 --grid 7 --deviation 0.03 --seed 0 \
    --output "${1:-gaussian-grid.h5}"
