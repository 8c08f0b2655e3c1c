#!/usr/bin/env bash
# Makes the journal of one shard anew from its stream:   ops/k8s/rebuild.sh dev|production SHARD
# For a shard whose volume is lost and was made anew, empty. The other shards trade on. It may be run again
# after it failed, wherever it stopped.
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
volume=$(kube -n "$namespace" get pvc "data-matcher-$shard" -o 'jsonpath={.spec.resources.requests.storage}') ||
  refuse "there is no volume data-matcher-$shard to write to"

# All of the stream is written, and it is never shortened; the journal's volume may be made for days.
streams=$(kube -n "$namespace" exec statefulset/nats -c nats -- \
  wget -qO- 'http://127.0.0.1:8222/jsz?accounts=true&streams=true') ||
  refuse "NATS does not say how large the stream is"
room=$(python3 -c '
import json, re, sys
number, unit = re.fullmatch(r"([0-9.]+)([KMGT]?i?)", sys.argv[1]).groups()
volume = float(number) * (1024 if unit.endswith("i") else 1000) ** ("KMGT".find(unit[:1] or "-") + 1)
details = [stream for account in json.load(sys.stdin).get("account_details", [])
           for stream in account.get("stream_detail", []) if stream["name"] == sys.argv[2]]
size = details[0]["state"]["bytes"] if details else None
if size is None:
    print(f"NATS has no stream {sys.argv[2]}")
elif size * 1.1 > volume:
    print(f"the stream has {size / 2**30:.1f}Gi, and a tenth more is needed: make the volume anew, as README.md says")
' "$volume" "tp-events-$shard" <<<"$streams")
[[ -z $room ]] || refuse "data-matcher-$shard has $volume; $room"
# Where it runs a second time the matchers' StatefulSet is gone; the ledgers' has the same image.
for name in matcher ledger; do
  image=$(kube -n "$namespace" get statefulset "$name" --ignore-not-found \
    -o 'jsonpath={.spec.template.spec.containers[0].image}')
  if [[ $image ]]; then break; fi
done
[[ $image ]] || refuse "there is neither a StatefulSet matcher nor ledger, which would say the image"

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

how_to_go_on() {
  cat <<TEXT
rebuild.sh: it did not come to its end. Shard $shard is stopped, and the StatefulSet matcher is not there:
the other shards run on, but a matcher that ends now is not started again. Do one of these at once:
  ops/k8s/rebuild.sh $overlay $shard    tries again
  ops/k8s/deploy.sh $overlay      makes the StatefulSet anew, with shard $shard's journal as it is by now
TEXT
}
finish() {
  local code=$?
  rm -rf "$work_dir"
  if ((code != 0)); then how_to_go_on >&2; fi
}
trap finish EXIT

# Without its StatefulSet nobody starts the pod again, and the other pods stay as they are.
kube -n "$namespace" delete statefulset matcher --cascade=orphan --ignore-not-found
kube -n "$namespace" delete pod "matcher-$shard" --wait --ignore-not-found
kube delete -f "$rendered" --ignore-not-found
kube apply -f "$rendered"
wait_for_job rebuild "$REBUILD_TIMEOUT_S"
kube -n "$namespace" logs job/rebuild
kube delete -f "$rendered"
say "the journal of shard $shard is there: now run ops/k8s/deploy.sh $overlay, which starts its matcher."
say "Until then the matchers have no StatefulSet: one that ends is not started again."
