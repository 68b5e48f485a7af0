#!/usr/bin/env bash
# make slurm-check: a real SLURM of two nodes on this machine, with /dev/null for GPUs, and what `launch --on slurm` gives it.
#
#   1. a quickstart run is requeued in mid-training as a preemption is (SLURM tells every process), and once more as a time
#      limit is (SLURM tells the script alone); its adapter is that of a run which nobody disturbed
#   2. four recipes as an array spread over both nodes
#   3. a cancelled job stays cancelled
#   4. a study as an array gives the scores and the table of the same study run in turn
#
# Needs root, apt and what `make setup` builds. Configuration, spool, keys and runs lie in $WORK; the daemons end with it.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
WORK=${WORK:-/var/tmp/kotune-slurm-check}
export SLURM_CONF=$WORK/slurm.conf CUDA_VISIBLE_DEVICES="" HF_HUB_OFFLINE=1
export OMP_NUM_THREADS=1 # another number adds in another order, and gives other last bits
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }
refuse() { echo "slurm-check: $1" >&2; exit 1; }

step "SLURM"
{ command -v sbatch && command -v munged; } > /dev/null || {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
}
rm -rf "$WORK"
mkdir -p "$WORK/state" "$WORK/one" "$WORK/two" "$WORK/munge"
cat > "$SLURM_CONF" << CONF
ClusterName=kotune
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
AuthInfo=socket=$WORK/munge/socket,cred_expire=5
StateSaveLocation=$WORK/state
SlurmdSpoolDir=$WORK/%n
SlurmctldPidFile=$WORK/slurmctld.pid
SlurmdPidFile=$WORK/%n.pid
SlurmctldLogFile=$WORK/slurmctld.log
SlurmdLogFile=$WORK/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=one NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=16818 CPUs=1 RealMemory=4000 Gres=gpu:1
NodeName=two NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=16819 CPUs=1 RealMemory=4000 Gres=gpu:1
PartitionName=all Nodes=ALL Default=YES State=UP
CONF
echo "Name=gpu File=/dev/null" > "$WORK/gres.conf"
finish() {
  scancel --me 2> "$WORK/none" || true # the daemons would leave a job's processes behind
  for _ in $(seq 40); do
    if [ -z "$(squeue --noheader 2> "$WORK/none")" ]; then break; fi
    sleep 1
  done
  for file in slurmctld.pid one.pid two.pid munge/pid; do
    if [ -e "$WORK/$file" ]; then kill "$(cat "$WORK/$file")" || true; fi
  done
}
trap finish EXIT
head -c 1024 /dev/urandom > "$WORK/munge/key"
chmod 700 "$WORK/munge" && chmod 400 "$WORK/munge/key"
munged --force --socket="$WORK/munge/socket" --key-file="$WORK/munge/key" --pid-file="$WORK/munge/pid" \
  --log-file="$WORK/munge/log" --seed-file="$WORK/munge/seed"
slurmctld
for node in one two; do slurmd -N "$node"; done
for _ in $(seq 60); do
  if [ "$(sinfo --noheader --states=idle --format=%D)" = 2 ]; then break; fi
  sleep 1
done
sinfo --Node --long

SHORT=(--set axolotl.max_steps=120 --set axolotl.save_steps=20 --set axolotl.logging_steps=1 --limit 6)
LLAMA=$ROOT/recipes/quickstart_llama.yml
launch() { "$ROOT/cli.py" launch "$@" --on slurm | tee "$WORK/launched"; job=$(awk '/^Submitted/ {print $4}' "$WORK/launched"); }
reached() { cat runs/*/metrics.jsonl 2> "$WORK/none" | grep -c '"loss"' || true; }
until_true() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  until "${@:2}"; do
    [ "$SECONDS" -lt "$end" ] || { squeue; tail -n 20 runs/launch/*.log; refuse "waited in vain for: ${*:2}"; }
    sleep 0.5
  done
}
passed() { [ "$(reached)" -ge "$1" ]; }
gone() { [ -z "$(squeue --noheader --jobs="$1" 2> "$WORK/none")" ]; }
started() { grep -q "start $1\$" runs/launch/*.log; }
exit_codes() { grep -ho "exit code [0-9]*" runs/launch/*.log | sort | uniq -c; }
digest() { sha256sum "$1"/runs/*/model/adapter_model.safetensors | cut -d' ' -f1; }

step "a run that nobody disturbs"
mkdir "$WORK/whole" && cd "$WORK/whole"
launch "$LLAMA" "${SHORT[@]}"
until_true 1800 gone "$job"
[ "$(exit_codes)" = "      1 exit code 0" ] || refuse "it did not end with 0"

step "the same, preempted in mid-training, and then near its time limit"
mkdir "$WORK/preempted" && cd "$WORK/preempted"
launch "$LLAMA" "${SHORT[@]}"
until_true 1800 passed 30
scontrol requeue "$job"
until_true 600 started 0
echo "requeued by SLURM at step $(reached)"
until_true 1800 passed 75
scancel --batch --signal=TERM "$job" # what --signal=B:TERM@90 sends
until_true 600 started 1
echo "requeued by the script at step $(reached)"
until_true 1800 gone "$job"
exit_codes
grep -h "goes on from step" runs/launch/*.log
[ "$(exit_codes | tr -s ' \n' ' ')" = " 1 exit code 0 2 exit code 143 " ] || refuse "it was not stopped twice and finished once"
[ "$(grep -ho 'goes on from step [0-9]*' runs/launch/*.log | sort -u | wc -l)" = 2 ] || refuse "it did not go on from its checkpoints"
sha256sum "$WORK"/{whole,preempted}/runs/*/model/adapter_model.safetensors
[ "$(digest "$WORK/whole")" = "$(digest "$WORK/preempted")" ] || refuse "the adapters differ"

step "a cancelled job stays cancelled"
mkdir "$WORK/cancelled" && cd "$WORK/cancelled"
launch "$LLAMA" "${SHORT[@]}" --set seed=7
until_true 1800 passed 10
scancel "$job"
until_true 600 gone "$job"
sleep 15
gone "$job" || refuse "it came back"
scontrol show job "$job" | grep -o "JobState=[A-Z]*"

step "four recipes over two nodes"
mkdir "$WORK/array" && cd "$WORK/array"
for name in llama deepseek; do sed 's/^model:/seed: 7\nmodel:/' "$ROOT/recipes/quickstart_$name.yml" > "${name}_seed7.yml"; done
launch "$LLAMA" "$ROOT/recipes/quickstart_deepseek.yml" llama_seed7.yml deepseek_seed7.yml --set axolotl.max_steps=4 --limit 6
until_true 3600 gone "$job"
grep -h "exit code" runs/launch/*.log
[ "$(grep -ho 'exit code 0 on [a-z]*' runs/launch/*.log | sort -u | wc -l)" = 2 ] || refuse "not both nodes were used"
[ "$(find runs -name report.html | wc -l)" = 4 ] || refuse "not every recipe has a report"

step "a study as an array, and the same in turn"
for how in array turn; do
  mkdir -p "$WORK/study-$how" && cd "$WORK/study-$how"
  printf 'model: quickstart-llama\ndata:\n  - source: nli_sample\naxolotl:\n  max_steps: 4\n' > tiny.yml
  printf 'recipes: [tiny.yml]\nvary:\n  data.0.samples: [40, 80]\n  seed: [1, 2]\nlimit: 6\n' > grid.yml
done
"$ROOT/cli.py" study grid.yml
cd "$WORK/study-array"
"$ROOT/cli.py" study grid.yml --on slurm | tee "$WORK/launched"
job=$(awk '/^Submitted/ {print $4}' "$WORK/launched")
until_true 3600 gone "$job"
"$ROOT/cli.py" study grid.yml --report-only
values() { # of every cell: which one answered for the base model differs where cells start at the same time
  (cd "$1/runs" && for file in tiny-*/scores.json; do
    "$ROOT/.venv/bin/python" -c 'import json, sys
for task, entry in json.load(open(sys.argv[1])).items(): print(sys.argv[1], task, entry["base"], entry["tuned"])' "$file"
  done)
}
[ "$(values "$WORK/study-array" | wc -l)" = 4 ] || refuse "not every cell is scored"
diff <(values "$WORK/study-turn") <(values "$WORK/study-array") || refuse "the array's scores are others"
table() { # what the study found, but for how long that took
  "$ROOT/.venv/bin/python" -c 'import json, sys
timeless = lambda found: {key: value for key, value in found.items() if key != "seconds"}
print(json.dumps(json.load(open(sys.argv[1]), object_hook=timeless), indent=1))' "$1/runs/grid/study.json"
}
[ "$(table "$WORK/study-turn" | grep -c '"run": ')" = 4 ] || refuse "not every cell is in the table"
diff <(table "$WORK/study-turn") <(table "$WORK/study-array") || refuse "the array's table is another"

step "all of it passed"
