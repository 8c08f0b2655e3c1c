#!/usr/bin/env bash
# Makes the journal of one shard anew from its stream:   ops/k8s/rebuild.sh dev|production SHARD
# For a shard whose volume is lost and was made anew, empty. The other shards trade on.
set -euo pipefail

if [[ $# -ne 2 || ! $1 =~ ^(dev|production)$ || ! $2 =~ ^[0-9]+$ ]]; then
  echo "usage: ops/k8s/rebuild.sh dev|production SHARD" >&2
  exit 2
fi
overlay=$1 shard=$2
REBUILD_TIMEOUT_S=14400

# shellcheck source=ops/k8s/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
check_context "$overlay"
kubectl kustomize "$here/overlays/$overlay" >"$work_dir/overlay.yaml"
namespace=$(namespace_of "$work_dir/overlay.yaml")
kube -n "$namespace" get pvc "data-matcher-$shard" >/dev/null ||
  refuse "there is no volume data-matcher-$shard to write to"
image=$(kube -n "$namespace" get pod "matcher-$shard" -o 'jsonpath={.spec.containers[0].image}')
[[ $image ]] || refuse "there is no pod matcher-$shard, which says the image"

printf 'This stops shard %s of %s. Type "matcher-%s" to go on: ' "$shard" "$context" "$shard"
read -r answer || true
[[ $answer == "matcher-$shard" ]] || refuse "nothing was changed"

render_for_namespace "$here/rebuild" "$image" <<PATCHES
  - patch: |-
      apiVersion: batch/v1
      kind: Job
      metadata: {name: rebuild}
      spec:
        template:
          spec:
            containers:
              - name: rebuild
                args: [journal, rebuild, --shard, "$shard"]
            volumes:
              - name: data
                persistentVolumeClaim: {claimName: data-matcher-$shard}
PATCHES

# Without its StatefulSet nobody starts the pod again, and the other pods stay as they are.
kube -n "$namespace" delete statefulset matcher --cascade=orphan
kube -n "$namespace" delete pod "matcher-$shard" --wait
kube delete -f "$rendered" --ignore-not-found
kube apply -f "$rendered"
wait_for_job rebuild "$REBUILD_TIMEOUT_S"
kube -n "$namespace" logs job/rebuild
kube delete -f "$rendered"
say "the journal of shard $shard is there: run deploy.sh $overlay, which starts its matcher"
