# shellcheck shell=bash
# What deploy.sh, load.sh and rebuild.sh share. Sourced; needs bash, python3, kubectl 1.31 or newer.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
context=
namespace=
work_dir=$(mktemp -d)
work_dir=$(cd "$work_dir" && pwd -P)
trap 'rm -rf "$work_dir"' EXIT

say() { printf '== %s\n' "$*"; }

refuse() {
  printf 'refused: %s\n' "$*" >&2
  exit 2
}

# kubectl on the context that was checked, whatever the current one is by now.
kube() { kubectl --context "$context" "$@"; }

# Sets $context, or refuses unless the current one is among those that the overlay expects.
check_context() {
  local overlay=$1 pattern patterns=()
  context=$(kubectl config current-context 2>/dev/null) ||
    refuse "there is no current kube context: kubectl config use-context NAME"
  while read -r pattern; do
    case $pattern in '' | '#'*) continue ;; esac
    patterns+=("$pattern")
    # shellcheck disable=SC2053 # a pattern is what is wanted
    [[ $context == $pattern ]] && return
  done <"$here/overlays/$overlay/contexts"
  refuse "the kube context is $context; $overlay is for ${patterns[*]} (overlays/$overlay/contexts)"
}

# The namespace that a rendered file makes.
namespace_of() { awk '/^kind: Namespace$/ { found = 1 } found && /^  name: / { print $2; exit }' "$1"; }

# A path as seen from the work folder: kustomize takes no absolute ones.
from_work_dir() { python3 -c 'import os, sys; print(os.path.relpath(*sys.argv[1:]))' "$1" "$work_dir"; }

# Renders a folder for $namespace and the image that runs, with the patches on stdin, to $rendered.
rendered=$work_dir/rendered.yaml
render_for_namespace() {
  mkdir "$work_dir/render"
  {
    cat <<KUSTOMIZATION
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: $namespace
resources: [../$(from_work_dir "$1")]
images: [{name: tradepit, newName: "${2%:*}", newTag: "${2##*:}"}]
patches:
KUSTOMIZATION
    cat
  } >"$work_dir/render/kustomization.yaml"
  kubectl kustomize "$work_dir/render" >"$rendered"
}

# Returns 0 once the job has completed, 1 if it failed or the seconds have passed; then with its log.
wait_for_job() {
  local job=$1 deadline=$((SECONDS + $2)) state
  while ((SECONDS < deadline)); do
    state=$(kube -n "$namespace" get job "$job" \
      -o "jsonpath={range .status.conditions[?(@.status=='True')]}{.type} {end}")
    case " $state" in
      *' Complete '*) return 0 ;;
      *' Failed '*) break ;;
    esac
    sleep 1
  done
  printf 'job %s: %s\n' "$job" "${state:-not done in $2 s}" >&2
  kube -n "$namespace" logs "job/$job" --all-containers --tail=20 >&2 || true
  return 1
}
