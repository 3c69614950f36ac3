# Sourced by the scripts of the GKE path.
# Its variables are read by those that source it.
# shellcheck shell=bash disable=SC2034
# shellcheck source=../common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../common.sh"

NAME=${NAME:-recgoat}
ZONE=${ZONE:-us-west4-a}
TYPE=${TYPE:-v5litepod-16}
WORKLOAD=${WORKLOAD:-train}
WORKDIR=${WORKDIR:-}
PLACE=()
# Where xpk puts workloads.
NAMESPACE=--namespace=default

check_gke_variables() {
  local name='[a-z]([-a-z0-9]*[a-z0-9])?'
  check_value NAME "$NAME" "$name" "small letters, digits and hyphens"
  check_value WORKLOAD "$WORKLOAD" "$name" "small letters, digits and hyphens"
  check_value ZONE "$ZONE" '[a-z]+-[a-z]+[0-9]+-[a-z0-9]+' "a zone such as us-west4-a"
  check_value TYPE "$TYPE" '[a-z0-9]+(-[a-z0-9]+)+' "a type such as v5litepod-16 or tpu7x-2x2x2"
  gcloud_project
  need xpk "install it: pip install xpk."
  need kubectl "install it: gcloud components install kubectl."
  PLACE=("--cluster=$NAME" "--zone=$ZONE" "--project=$PROJECT")
}

# CLUSTER_STATE; empty where there is none.
find_cluster() {
  CLUSTER_STATE=$(call gcloud container clusters list "--project=$PROJECT" \
    "--filter=name~^$NAME\$ AND (location~^$ZONE\$ OR location~^${ZONE%-*}\$)" "--format=value(status)")
}

describe_cluster() { say "cluster $NAME in ${ZONE%-*}: ${CLUSTER_STATE:-absent}"; }

# Prints the workloads; what counts here is that xpk points kubectl to the cluster for it. kubectl is held there then,
# whatever becomes the current context while a run goes on.
connect() {
  call xpk workload list "${PLACE[@]}" "--filter-by-job=$WORKLOAD"
  CONTEXT=$(call kubectl config current-context)
}

on_cluster() { call kubectl "--context=$CONTEXT" "$NAMESPACE" "$@"; }

# WORKLOAD_STATE: absent, running, Completed or Failed; WORKLOAD_COMMAND: what its containers run.
find_workload() {
  local found container=".spec.replicatedJobs[*].template.spec.template.spec.containers[*]"
  found=$(on_cluster get jobset "$WORKLOAD" --ignore-not-found \
    "--output=jsonpath={.metadata.name} {.status.conditions[?(@.status==\"True\")].type}{\"\\n\"}{$container.command[*]}")
  WORKLOAD_COMMAND=${found#*$'\n'}
  case "${found%%$'\n'*} " in
    " ") WORKLOAD_STATE=absent ;;
    *" Completed "*) WORKLOAD_STATE=Completed ;;
    *" Failed "*) WORKLOAD_STATE=Failed ;;
    *) WORKLOAD_STATE=running ;;
  esac
}

say_delete() {
  say "It costs money until it is deleted:"
  say "  $(quote "NAME=$NAME" "ZONE=$ZONE" "PROJECT=$PROJECT" "$SCRIPTS/gke/delete")"
}
