# shellcheck shell=bash disable=SC2034
# What the experiments share; to be sourced by them. An experiment is arms × seeds: each is trained, sampled and measured in
# a folder of its own, and what is done is not done again. Measurements end up as lines of launch/experiments/results/NAME.csv,
# from which the table is made.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C OMP_NUM_THREADS=1

# usage_of NAME TEXT: what --help says.
usage_of() {
    cat <<HELP
Usage: launch/experiments/$1 [--work FOLDER] [--arms "NAME NAME"] [--seeds "0 1 2"] [--jobs N] [--table]

$2

  --work FOLDER   where data, runs and samples lie (default: runs/experiments)
  --arms LIST     which arms to train: names of the table's rows (default: all)
  --seeds LIST    seeds of the training (default: 0 1 2)
  --jobs N        runs at a time, of one thread each (default: the number of cores)
  --table         only make the table, of what is measured so far

The program is built first, unless the environment names one: SMD=PATH. Stop it whenever you like: started again it goes on where it was. Results are added to those in
launch/experiments/results: an arm and seed measured anew replaces its line.
HELP
}

# options NAME TEXT ARGUMENTS...: sets work, chosen, seeds, jobs and only_table, and goes to the root of the repository.
options() {
    experiment=$1
    local text=$2
    shift 2
    work=runs/experiments chosen="" seeds="0 1 2" jobs=$(nproc) only_table=no
    while (($#)); do
        case $1 in
        -h | --help) usage_of "$experiment" "$text"; exit 0 ;;
        --work | --arms | --seeds | --jobs)
            (($# > 1)) || { echo "$experiment: $1 needs a value (see --help)" >&2; exit 64; }
            case $1 in --work) work=$2 ;; --arms) chosen=$2 ;; --seeds) seeds=$2 ;; --jobs) jobs=$2 ;; esac
            shift
            ;;
        --table) only_table=yes ;;
        *) echo "$experiment: unknown argument ${1@Q} (see --help)" >&2; exit 64 ;;
        esac
        shift
    done
    [[ $jobs =~ ^[1-9][0-9]*$ ]] || { echo "$experiment: --jobs needs a number, not ${jobs@Q}" >&2; exit 64; }
    [[ $seeds =~ ^[0-9\ ]+$ ]] || { echo "$experiment: --seeds needs numbers, not ${seeds@Q}" >&2; exit 64; }
    work=$(realpath -m "$work")
    cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.."
    results=launch/experiments/results
    mkdir -p "$work" "$results"
}

say() { printf '%s [%d:%02d] %s\n' "$experiment" $((SECONDS / 60)) $((SECONDS % 60)) "$*" >&2; }

# Sets smd to the program, built anew where a source changed; or to that of the variable SMD.
build() {
    smd=${SMD-}
    [[ -z $smd ]] || return 0
    launch/setup >&2
    swift build -c release --product smd --quiet >&2
    smd=$(swift build -c release --product smd --show-bin-path)/smd
}

# prepare FILE ARGUMENTS...: a data set, unless it is there.
prepare() {
    local file=$1
    shift
    [[ -e $file ]] || "$smd" dataset prepare "$@" --output "$file" >/dev/null
}

# train RUN PRESET SETTINGS...: trains, or goes on; nothing where the run is finished.
train() {
    local run=$1 preset=$2 settings=() setting
    shift 2
    [[ -e $run/finished ]] && return
    for setting; do settings+=(--set "$setting"); done
    mkdir -p "$(dirname "$run")"
    "$smd" train "$preset" "${settings[@]}" --set preview_every=0 --output "$run" --resume auto >>"$run.log" 2>&1 ||
        { echo "$experiment: training failed; see $run.log" >&2; return 1; }
    touch "$run/finished"
}

# Fashion-MNIST, a classifier of it, and the statistics of the training images by both kinds of features.
declare -A feature
fashion_features() {
    prepare "$work/fashion-mnist.h5" fashion-mnist
    prepare "$work/fashion-mnist-test.h5" fashion-mnist --split test
    features_of "$work/fashion-few" "$work/fashion-mnist.h5" "$work/fashion-mnist-test.h5"
}

# features_of FOLDER DATA TEST-DATA SETTINGS...: the same of other data, by a classifier with these settings.
features_of() {
    local data=$2 tests=$3 features
    known=$1
    shift 3
    feature=([pca]=pca:64 [classifier]="classifier:$known/classifier")
    mkdir -p "$known"
    train "$known/classifier" launch/presets/classifier-fashion.yaml data="$data" "$@"
    for features in pca classifier; do
        [[ -e $known/$features.npz ]] ||
            "$smd" evaluate images "$tests" --against "$data" --only frechet --features "${feature[$features]}" \
                --save-statistics "$known/$features.npz" >&2
    done
}

# fashion_distances FILE COUNT SAMPLE-ARGUMENTS...: prints ",Fréchet distance pca:64,of the classifier's features" of so many
# samples, kept in FILE.*.json.
fashion_distances() {
    local file=$1 count=$2 features
    shift 2
    for features in pca classifier; do
        [[ ! -e $file.$features.json ]] || continue
        [[ -e $file.h5 ]] || "$smd" sample "$@" --count "$count" --output "$file.h5" --overwrite >>"$file.log" 2>&1
        "$smd" evaluate images "$file.h5" --against "$known/$features.npz" --features "${feature[$features]}" \
            --only frechet --json >"$file.tmp" 2>>"$file.log"
        mv "$file.tmp" "$file.$features.json"
    done
    rm -f "$file.h5"
    printf ',%s,%s' "$(number "$file.pca.json" frechet_distance value)" \
        "$(number "$file.classifier.json" frechet_distance value)"
}

# number FILE KEYS...: the number in a JSON file that follows the keys, each on a line of its own, in this order.
number() {
    local file=$1
    shift
    awk -v keys="$*" '
        BEGIN { count = split(keys, key, " "); at = 1 }
        index($0, "\"" key[at] "\"") { if (at == count) { sub(/.*: /, ""); sub(/,$/, ""); print; exit } else at++ }' "$file"
}

# Of the lines "name settings…" on standard input those of the arms that were asked for; an unknown name is refused.
chosen_arms() {
    local lines name settings
    lines=$(grep -v '^$')
    for name in $chosen; do
        grep -q "^$name " <<<"$lines" ||
            { echo "$experiment: no arm ${name@Q}; there are: $(cut -d ' ' -f 1 <<<"$lines" | paste -sd ' ')" >&2; return 64; }
    done
    while read -r name settings; do
        [[ -n $chosen && " $chosen " != *" $name "* ]] || echo "$name $settings"
    done <<<"$lines"
}

# in_parallel FUNCTION: calls the function with each line of standard input, several at a time; ends when all have. Not to be
# called where bash ignores failures (behind if, before ||): set +e around it.
in_parallel() {
    local line failures=0
    while IFS= read -r line; do
        while (($(jobs -rp | wc -l) >= jobs)); do wait -n || failures=1; done
        # What fails ends its part, so that nothing half-measured counts as done.
        # shellcheck disable=SC2086  # a line is words
        (set -e; "$1" $line) &
    done
    while (($(jobs -p | wc -l))); do wait -n || { (($? == 127)) && break; failures=1; }; done
    ((failures == 0)) || { echo "$experiment: a part failed; see the logs in $work/$experiment" >&2; return 1; }
}

# keep_results ROW...: puts the lines "row,seed,value…" that lie in the work folder into the results, in place of those of the same
# row and seed. What another folder of work has measured stays. Rows come in the given order, then as they first came.
keep_results() {
    local known=$results/$experiment.csv files
    touch "$known"
    mapfile -t files < <(find "$work/$experiment" -maxdepth 1 -name '*.csv' | sort)
    awk -F, -v first="$(printf '%s|' "$@")" '
        BEGIN { rows = split(first, order, "|") - 1; for (r = 1; r <= rows; r++) seen[order[r]] }
        !($1 in seen) { seen[$1]; order[++rows] = $1 }
        { line[$1, $2] = $0; if ($2 + 0 > last) last = $2 + 0 }
        END { for (r = 1; r <= rows; r++) for (s = 0; s <= last; s++) if ((order[r], s) in line) print line[order[r], s] }
        ' "$known" "${files[@]}" >"$known.tmp"
    mv "$known.tmp" "$known"
}

# table COLUMNS FILE: of lines "row,seed,value,value…" the mean ± standard deviation over seeds by row, as Markdown, rows in
# the order in which they first come; COLUMNS are the titles.
table() {
    awk -F, -v titles="$1" '
        BEGIN {
            count = split(titles, title, "|"); line = "|"; rule = "|"
            for (i = 1; i <= count; i++) { line = line " " title[i] " |"; rule = rule "---|" }
            print line; print rule
        }
        { if (!($1 in n)) order[++rows] = $1
          n[$1]++
          for (i = 3; i <= NF; i++) if ($i != "") { sum[$1, i] += $i; square[$1, i] += $i * $i; k[$1, i]++ }
          if (NF > width) width = NF }
        END {
            for (r = 1; r <= rows; r++) {
                line = "| " order[r] " |"
                for (i = 3; i <= width; i++) {
                    m = k[order[r], i]
                    if (m == 0) { line = line " — |"; continue }
                    mean = sum[order[r], i] / m
                    spread = m > 1 ? sqrt((square[order[r], i] - m * mean * mean) / (m - 1) + 1e-30) : 0
                    if (sum[order[r], i] == 0 && square[order[r], i] == 0) { line = line " 0 |"; continue }
                    line = line sprintf(m == 1 ? " %.3g |" : spread < 9.5 ? " %.3g ± %.1g |" : " %.3g ± %.2g |", mean, spread)
                }
                print line
            }
        }' "$2"
}
