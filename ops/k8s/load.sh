#!/usr/bin/env bash
# Loads a deployed exchange from many pods:   ops/k8s/load.sh dev|production PODS [SECONDS [RATE]]
# RATE is orders a second of each pod. Pod N trades on shard N modulo the number of shards. It prints the
# sum of all pods, percentiles from the summed histograms, and takes its pods away again.
set -euo pipefail

if [[ $# -lt 2 || $# -gt 4 || ! $1 =~ ^(dev|production)$ || ! "$2 ${3:-1} ${4:-1}" =~ ^[0-9\ ]+$ ]]; then
  echo "usage: ops/k8s/load.sh dev|production PODS [SECONDS [RATE]]" >&2
  exit 2
fi
overlay=$1 pods=$2 seconds=${3:-10} rate=${4:-100}

# shellcheck source=ops/k8s/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
python=$here/../../.venv/bin/python
[[ -x $python ]] || refuse "the reports are added up with .venv: run make build first"

check_context "$overlay"
kubectl kustomize "$here/overlays/$overlay" >"$work_dir/overlay.yaml"
namespace=$(namespace_of "$work_dir/overlay.yaml")
if [[ $overlay == production ]]; then
  printf 'This places real orders. Type "%s" to load %s: ' "$overlay" "$context"
  read -r answer || true
  [[ $answer == "$overlay" ]] || refuse "nothing was sent"
fi

# The image and the number of shards that run, not those that the overlay says.
image=$(kube -n "$namespace" get statefulset matcher \
  -o 'jsonpath={.spec.template.spec.containers[0].image}')
shard_count=$(kube -n "$namespace" get statefulset matcher -o 'jsonpath={.spec.replicas}')
render_for_namespace "$here/load" "$image" <<PATCHES
  - patch: |-
      apiVersion: batch/v1
      kind: Job
      metadata: {name: load}
      spec:
        completions: $pods
        parallelism: $pods
        template:
          spec:
            containers:
              - name: load
                args: ["--rate=$rate", "--seconds=$seconds"]
                env:
                  - {name: TRADEPIT_SHARD_COUNT, value: "$shard_count"}
PATCHES

take_away() {
  kube delete -f "$rendered" --ignore-not-found >&2 || true
  rm -rf "$work_dir"
}
trap take_away EXIT
kube delete -f "$rendered" --ignore-not-found >&2
kube apply -f "$rendered" >&2
wait_for_job load "$((seconds + 300))"
for pod in $(kube -n "$namespace" get pods -l app.kubernetes.io/component=load -o name); do
  kube -n "$namespace" logs "$pod" >>"$work_dir/reports"
done
"$python" -m tradepit.tools.load add --expect "$pods" <"$work_dir/reports"
