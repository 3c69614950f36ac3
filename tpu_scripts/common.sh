# Sourced by every script of this folder: messages, options, questions, and commands that a dry run only prints.
# Its variables are read by those that source it.
# shellcheck shell=bash disable=SC2034

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$SCRIPTS")
DRY_RUN=0
YES=0
# A dry run prints to this one: the standard output of a command may be on its way into a variable.
exec 3>&1

# Names of functions.
AT_EXIT=()
at_exit() {
  local task
  for task in "${AT_EXIT[@]}"; do "$task"; done
}
trap at_exit EXIT

say() { printf '%s\n' "$*" >&2; }

# fail CODE MESSAGE: 1 the cloud is not as expected, 2 nothing was tried.
fail() {
  say "${0##*/}: $2"
  exit "$1"
}

# The words as one line that a shell reads back unchanged.
quote() {
  local word line=""
  for word in "$@"; do
    case $word in
      *[[:cntrl:]]*) printf -v word '%q' "$word" ;;
      "" | *[!A-Za-z0-9_@%+=:,./-]*) word="'${word//\'/\'\\\'\'}'" ;;
    esac
    line+="${line:+ }$word"
  done
  printf '%s\n' "$line"
}

call() {
  if [ "$DRY_RUN" = 1 ]; then
    quote "$@" >&3
  else
    "$@"
  fi
}

# need TOOL HINT
need() {
  [ "$DRY_RUN" = 1 ] || command -v "$1" >/dev/null || fail 2 "found no '$1' on PATH; $2"
}

# ask QUESTION: goes on after a yes, ends the script otherwise.
ask() {
  local answer=""
  if [ "$DRY_RUN" = 1 ] || [ "$YES" = 1 ]; then return 0; fi
  [ -t 0 ] || fail 2 "$1 There is no terminal to ask on: say --yes. Nothing was done."
  printf '%s [y/N] ' "$1" >&2
  read -r answer || true
  case $answer in
    y | Y | yes) ;;
    *) fail 2 "nothing was done." ;;
  esac
}

show_help() { sed -n '2,/^[^#]/ { /^#/!q; s/^# \{0,1\}//p }' "$0"; }

# The options that every script has; false for any other word.
shared_option() {
  case $1 in
    -h | --help)
      show_help
      exit 0
      ;;
    --dry-run) DRY_RUN=1 ;;
    --yes) YES=1 ;;
    *) return 1 ;;
  esac
}

only_shared_options() {
  while [ $# -gt 0 ]; do
    shared_option "$1" || unknown_word "$1"
    shift
  done
}

unknown_word() { fail 2 "unknown option or argument '$1'; --help shows what there is."; }

# check_value NAME VALUE PATTERN EXPECTED
check_value() {
  [[ $2 =~ ^($3)$ ]] || fail 2 "found $1='$2'; expected $4."
}

# What follows the options of a run: EXPERIMENT, then -- and what goes to `recgoat train` as it is.
EXPERIMENT=""
TRAIN_ARGUMENTS=()
experiment_word() {
  case $1 in
    -*) unknown_word "$1" ;;
  esac
  [ -z "$EXPERIMENT" ] || fail 2 "unknown argument '$1'; what goes to 'recgoat train' comes after --."
  EXPERIMENT=$1
}

train_arguments() {
  local word
  for word in "$@"; do
    case $word in
      --workdir | --workdir=*) fail 2 "found '$word' after --; expected the run directory in WORKDIR." ;;
    esac
  done
  TRAIN_ARGUMENTS=("$@")
}

# The line of the README, in TRAIN_LINE.
train_line() {
  [ -n "$EXPERIMENT" ] || fail 2 "found no experiment; expected an experiment file or the name of a model."
  TRAIN_LINE=(recgoat train "$EXPERIMENT" --workdir "$WORKDIR" "${TRAIN_ARGUMENTS[@]}")
}

# An experiment file has to be in the checkout, because that is what the hosts get.
experiment_in_checkout() {
  local full
  [ -f "$EXPERIMENT" ] || return 0
  full=$(realpath "$EXPERIMENT")
  case $full in
    "$ROOT"/*) EXPERIMENT=${full#"$ROOT"/} ;;
    *) fail 2 "found the experiment in '$full'; expected it in '$ROOT', which is what the hosts get." ;;
  esac
}

# pack: what the hosts need of the checkout, as the file PACKED in the directory PACKING, which goes with this script.
pack() {
  local parts=(.ci constraints experiments LICENSE pyproject.toml README.md recgoat_jax tpu_scripts)
  case $EXPERIMENT in
    # tar makes a link of what comes twice.
    experiments/* | recgoat_jax/*) ;;
    *) [ ! -f "$ROOT/$EXPERIMENT" ] || parts+=("$EXPERIMENT") ;;
  esac
  if [ "$DRY_RUN" = 1 ]; then
    PACKING=${TMPDIR:-/tmp}/recgoat-upload
    call mkdir -p "$PACKING"
  else
    PACKING=$(mktemp -d)
    AT_EXIT+=(remove_packing)
  fi
  PACKED=$PACKING/upload.tar.gz
  call tar -czf "$PACKED" -C "$ROOT" --exclude=__pycache__ "${parts[@]}"
}

remove_packing() { rm -rf "$PACKING"; }

# await PID: the exit code of a child, while the traps of this script do their work. Not with `wait` alone: what ends at
# the very moment of a signal loses its code there.
await() {
  # A signal of the terminal ends the sleep too.
  while kill -0 "$1" 2>/dev/null; do sleep 0.2 || true; done
  wait "$1"
}

# follow_log FILE OFFSET PID [PREFIX]: what the process PID writes from OFFSET on, until it ends.
follow_log() { "${@:4}" tail -c "+$(($2 + 1))" -s 0.2 -f "--pid=$3" "$1"; }

# The command, in RECGOAT.
find_recgoat() {
  [ -z "${RECGOAT:-}" ] || return 0
  if command -v recgoat >/dev/null; then
    RECGOAT=recgoat
  elif [ -x "$ROOT/.venv/bin/recgoat" ]; then
    RECGOAT=$ROOT/.venv/bin/recgoat
  else
    fail 2 "found no 'recgoat' on PATH or in '$ROOT/.venv'; see the README for the install, or set RECGOAT."
  fi
}

# fetch_bucket SOURCE DESTINATION
fetch_bucket() {
  call mkdir -p "$2"
  call gcloud storage rsync "$1" "$2" --recursive "--project=$PROJECT"
}

gcloud_project() {
  need gcloud "install the Google Cloud CLI."
  if [ -z "${PROJECT:-}" ] && [ "$DRY_RUN" = 0 ]; then
    PROJECT=$(gcloud config get project 2>/dev/null) || PROJECT=""
    [ "$PROJECT" != "(unset)" ] || PROJECT=""
  fi
  [ -n "${PROJECT:-}" ] || fail 2 "no project set; expected PROJECT=... or 'gcloud config set project ...' (a dry run asks gcloud nothing)."
  check_value PROJECT "$PROJECT" '[a-z][-a-z0-9.:]*' "a project id"
}
