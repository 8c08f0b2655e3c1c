#!/usr/bin/env bash
# Deploys Tradepit to the current kube context:   ops/k8s/deploy.sh dev|production [--dry-run]
# README.md beside this file says what it does, in which order, and how to go back.
set -euo pipefail

usage="usage: ops/k8s/deploy.sh dev|production [--dry-run]"
overlay=${1:-}
dry_run=${2:-}
if [[ $# -gt 2 || ! $overlay =~ ^(dev|production)$ || ! $dry_run =~ ^(--dry-run)?$ ]]; then
  echo "$usage" >&2
  exit 2
fi

# shellcheck source=ops/k8s/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

COMPONENT=app.kubernetes.io/component
SERVERS_TIMEOUT_S=900
MIGRATE_TIMEOUT_S=1800
ROLLOUT_TIMEOUT_S=1800
SEED_TIMEOUT_S=900
root=$(cd "$here/../.." && pwd -P)

# The overlay as it is, or with another tag for our image.
render() {
  if [[ -z ${1:-} ]]; then
    kubectl kustomize "$here/overlays/$overlay" >"$rendered"
    return
  fi
  mkdir -p "$work_dir/tagged"
  cat >"$work_dir/tagged/kustomization.yaml" <<KUSTOMIZATION
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../$(from_work_dir "$here/overlays/$overlay")]
images: [{name: tradepit, newTag: "$1"}]
KUSTOMIZATION
  kubectl kustomize "$work_dir/tagged" >"$rendered"
}

image_of_overlay() { sed -n 's/^ *image: \(.*tradepit:.*\)$/\1/p' "$rendered" | sort -u; }

# $1: its name; $2: the version that it says of itself.
build() {
  docker build --quiet -f "$root/ops/docker/Dockerfile" -t "$1" --build-arg "VERSION=$2" \
    --build-arg "REVISION=$(git -C "$root" rev-parse HEAD)" "$root" >/dev/null
}

# As Python writes it: 0.1.0, or 0.1.0.post7+g0123abc seven commits after the tag v0.1.0. Nothing without a tag.
version_of_work_tree() {
  local described
  described=$(git -C "$root" describe --tags --match 'v[0-9]*' 2>/dev/null) || return 0
  sed -E 's/^v//; s/-([0-9]+)-g([0-9a-f]+)$/.post\1+g\2/' <<<"$described"
}

# dev: built from the work tree, named after its content, so that a changed image is another name.
image_for_dev() {
  local id
  say "building the image"
  build tradepit:dev "$(version_of_work_tree)"
  id=$(docker image inspect --format '{{.Id}}' tradepit:dev)
  image=tradepit:${id:7:12}
  docker tag tradepit:dev "$image"
  case $context in
    kind-*) kind load docker-image "$image" --name "${context#kind-}" ;;
    k3d-*) k3d image import "$image" --cluster "${context#k3d-}" ;;
    minikube) minikube image load "$image" ;;
    docker-desktop | rancher-desktop) ;; # they see Docker's own images
    *) refuse "$context needs a registry for the image: give the overlay a newName, as production has" ;;
  esac
  render "${image#*:}"
}

# production: the tag that the overlay names. What was pushed under it once is not built again.
image_for_production() {
  image=$(image_of_overlay)
  local answer
  if answer=$(docker manifest inspect "$image" 2>&1); then
    say "$image is there"
    return
  fi
  case $answer in
    *'no such manifest'* | *'manifest unknown'* | *'name unknown'*) ;;
    *) refuse "whether $image is there cannot be said: $answer" ;;
  esac
  [[ -z $(git -C "$root" status --porcelain) ]] ||
    refuse "$image is to be built, and the work tree has changes that are not committed"
  say "building and pushing $image"
  local tag=${image##*:}
  if [[ $tag =~ ^v?[0-9]+(\.[0-9]+)+((a|b|rc|\.post|\.dev)[0-9]+)?$ ]]; then
    build "$image" "${tag#v}"
  else # a tag that is no version, such as a commit's
    build "$image" "$(version_of_work_tree)"
  fi
  docker push --quiet "$image"
}

# How many shards there are. Without a StatefulSet (rebuild.sh stopped halfway) the volumes say it.
shards_there() {
  local count volumes volume
  count=$(kube -n "$namespace" get statefulset matcher --ignore-not-found \
    -o 'jsonpath={.spec.replicas}')
  count=${count:-0}
  if ((count == 0)); then
    volumes=$(kube -n "$namespace" get pvc -o name --ignore-not-found)
    while IFS= read -r volume; do
      [[ $volume =~ ^persistentvolumeclaim/data-matcher-([0-9]+)$ ]] || continue
      ((BASH_REMATCH[1] < count)) || count=$((BASH_REMATCH[1] + 1))
    done <<<"$volumes"
  fi
  echo "$count"
}

# An account's funds and orders stay in the shard that has them: no shard may go.
check_shard_count() {
  local wanted there
  wanted=$(sed -n 's/^ *TRADEPIT_SHARD_COUNT: "\([0-9]*\)"$/\1/p' "$rendered")
  there=$(shards_there)
  ((wanted >= there)) ||
    refuse "there are $there shards and the overlay says $wanted: a shard is never taken away"
}

# A changed server is replaced from the highest number on, whether or not a lower one is ready: the second
# of three would go. Where none is ready there is nothing to lose, and this deployment may be what mends it.
check_nats() {
  local answer replicas ready
  answer=$(kube -n "$namespace" get statefulset nats --ignore-not-found \
    -o 'jsonpath={.spec.replicas} {.status.readyReplicas}')
  read -r replicas ready <<<"$answer"
  [[ ${ready:-0} == "${replicas:-0}" || ${ready:-0} == 0 ]] || refuse "$ready of $replicas NATS servers are ready, \
and a deployment may take another one down. Bring them back first (kubectl -n $namespace get pods -l $COMPONENT=nats). \
If only this deployment can, and an outage of NATS may be: kubectl -n $namespace delete statefulset nats \
--cascade=orphan, and again"
}

show_diff() {
  if ! kube get namespace "$namespace" >/dev/null 2>&1; then
    say "there is no namespace $namespace: everything is new"
    return
  fi
  say "what changes"
  # The jobs are made anew each time; their templates cannot be changed.
  local status=0
  kube diff -l "$COMPONENT notin (migrate,seed)" -f "$rendered" || status=$?
  ((status <= 1)) || exit "$status"
}

ask() {
  local answer
  printf 'Type "%s" to apply this to %s: ' "$overlay" "$context"
  read -r answer || true
  [[ $answer == "$overlay" ]] || refuse "nothing was applied"
}

secret_is_there() { kube -n "$namespace" get secret "$1" >/dev/null 2>&1; }

# Makes what is missing, once; nothing of it stays on this machine.
make_secrets() {
  local name missing=() folder=$work_dir/secrets
  for name in keys nats postgres redis; do secret_is_there "$name" || missing+=("$name"); done
  [[ ${#missing[@]} -gt 0 ]] || return 0
  say "making secrets: ${missing[*]}"
  mkdir -m 0700 "$folder"
  docker run --rm --network none --read-only --user "$(id -u):$(id -g)" \
    -v "$folder:/secrets" "$image" secrets /secrets >/dev/null
  for name in "${missing[@]}"; do
    case $name in
      keys) set -- keys.json=keys.json ;;
      nats) set -- url=nats_url users.conf=nats_users.conf ;;
      postgres) set -- url=postgres_url password=postgres_password ;;
      redis) set -- url=redis_url users.conf=redis_users.conf ;;
    esac
    (cd "$folder" && kube -n "$namespace" create secret generic "$name" "${@/#/--from-file=}")
  done
}

wait_for_rollout() { kube -n "$namespace" rollout status "$1" --timeout="${2}s"; }

apply_part() { kube apply -l "$COMPONENT=$1" -f "$rendered"; }

wait_for_part() {
  local workload=statefulset/$1
  if [[ $1 == ingress ]]; then workload=deployment/ingress; fi
  wait_for_rollout "$workload" "$ROLLOUT_TIMEOUT_S" || failed "$workload is not ready"
}

how_to_go_back() {
  cat <<TEXT
To go back: deploy the commit that ran before, or, while no database has been migrated since,
  kubectl --context $context -n $namespace rollout undo deployment/ingress
  kubectl --context $context -n $namespace rollout undo statefulset/matcher
  kubectl --context $context -n $namespace rollout undo statefulset/ledger
A matcher that never became ready is not replaced by itself: delete its pod after the undo.
ops/k8s/README.md says when an older version can read what a newer one wrote.
TEXT
}

failed() {
  echo "deploy.sh: $1" >&2
  kube -n "$namespace" get pods -o wide >&2 || true
  how_to_go_back >&2
  exit 1
}

check_context "$overlay"
say "$overlay to $context"
render
namespace=$(namespace_of "$rendered")
check_shard_count
image=$(image_of_overlay)

if [[ -n $dry_run ]]; then
  show_diff
  say "dry run: nothing was built and nothing applied; it would deploy $image to $namespace"
  exit 0
fi

"image_for_$overlay"
show_diff
if [[ $overlay == production ]]; then ask; fi
check_nats

kube get namespace "$namespace" >/dev/null 2>&1 || kube create namespace "$namespace"
if [[ $overlay == dev ]]; then make_secrets; fi

say "settings, servers, and the databases' schema"
kube -n "$namespace" delete job migrate seed --ignore-not-found
kube apply -l "$COMPONENT notin (matcher,ledger,ingress,migrate,seed)" -f "$rendered"
if grep -q '^kind: ExternalSecret$' "$rendered"; then # else the secrets are made in another way
  kube -n "$namespace" wait externalsecret --all --for=condition=Ready \
    --timeout="${SERVERS_TIMEOUT_S}s" || failed "a secret is not there"
fi
wait_for_rollout statefulset/nats "$SERVERS_TIMEOUT_S" || failed "NATS is not ready"
if [[ $overlay == dev ]]; then
  wait_for_rollout statefulset/postgres "$SERVERS_TIMEOUT_S" || failed "PostgreSQL is not ready"
  wait_for_rollout deployment/redis "$SERVERS_TIMEOUT_S" || failed "Redis is not ready"
fi
apply_part migrate
wait_for_job migrate "$MIGRATE_TIMEOUT_S" || failed "the databases were not migrated"

# Who reads goes before who writes: a ledger reads what the matcher of the next version publishes, a
# matcher what the ingress of the next version sends. README.md, "Upgrade".
say "ledgers, then matchers, then ingresses"
apply_part ledger
wait_for_part ledger
apply_part matcher
wait_for_part matcher
apply_part ingress
wait_for_part ingress
kube apply -f "$rendered"

say "smoke test"
smoke=(kube -n "$namespace" exec deployment/ingress -c ingress -- python -m tradepit.tools.smoke)
if [[ $overlay == dev ]]; then
  wait_for_job seed "$SEED_TIMEOUT_S" || failed "the demo's listing was not made"
  smoke+=(--order)
fi
"${smoke[@]}" || failed "the smoke test failed"

say "$image runs in $namespace"
how_to_go_back
