# Sourced by the scripts of the TPU-VM path.
# Its variables are read by those that source it.
# shellcheck shell=bash disable=SC2034
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

NAME=${NAME:-recgoat}
ZONE=${ZONE:-us-west4-a}
TYPE=${TYPE:-v5litepod-16}
WORKDIR=${WORKDIR:-runs/$NAME}
PLACE=()

check_vm_variables() {
  check_value NAME "$NAME" '[a-z]([-a-z0-9]*[a-z0-9])?' "small letters, digits and hyphens"
  check_value ZONE "$ZONE" '[a-z]+-[a-z]+[0-9]+-[a-z0-9]+' "a zone such as us-west4-a"
  check_value TYPE "$TYPE" '[a-z0-9]+-[0-9]+' "an accelerator type such as v5litepod-16"
  case $TYPE in
    tpu*) fail 2 "TPU7x and later are not served by the TPU-VM API; see tpu_scripts/gke." ;;
  esac
  gcloud_project
  PLACE=("--zone=$ZONE" "--project=$PROJECT")
}

# find_vm: NODE_STATE, NODE_TYPE, HOSTS and QUEUE_STATE, QUEUE_TYPE; empty where there is none. Lists, because a
# description of what is absent fails in the same way as a description that one may not read.
find_vm() {
  local found
  found=$(call gcloud compute tpus queued-resources list "${PLACE[@]}" "--filter=name~/queuedResources/$NAME\$" \
    "--format=value(state.state,tpu.nodeSpec[0].node.acceleratorType.basename())")
  read -r QUEUE_STATE QUEUE_TYPE <<<"$found"
  found=$(call gcloud compute tpus tpu-vm list "${PLACE[@]}" "--filter=name~/nodes/$NAME\$" \
    "--format=value(state,acceleratorType.basename(),networkEndpoints.len())")
  read -r NODE_STATE NODE_TYPE HOSTS <<<"$found"
}

# Its capacity is gone: only deleting and creating helps.
vm_is_lost() {
  case $NODE_STATE in
    PREEMPTED | TERMINATED | DELETING) return 0 ;;
  esac
  case $QUEUE_STATE in
    FAILED | SUSPENDING | SUSPENDED | DELETING) return 0 ;;
    ACTIVE) [ -z "$NODE_STATE" ] ;;
    *) return 1 ;;
  esac
}

describe_vm() {
  [ -z "$QUEUE_STATE" ] || say "queued resource $NAME in $ZONE: $QUEUE_STATE, $QUEUE_TYPE"
  [ -z "$NODE_STATE" ] || say "TPU VM $NAME in $ZONE: $NODE_STATE, $NODE_TYPE, hosts: $HOSTS"
  [ -n "$QUEUE_STATE$NODE_STATE" ] || say "TPU VM $NAME in $ZONE: absent"
}

say_delete() {
  say "It costs money until it is deleted:"
  say "  $(quote "NAME=$NAME" "ZONE=$ZONE" "PROJECT=$PROJECT" "$SCRIPTS/delete")"
}

# on_hosts WHICH COMMAND
on_hosts() {
  call gcloud compute tpus tpu-vm ssh "$NAME" "${PLACE[@]}" "--worker=$1" "--command=$2"
}

# On every host, below the home directory.
WORKER=recgoat/source/tpu_scripts/worker
