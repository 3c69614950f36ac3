# Sourced by run: the processes of one training, all on this machine.
# shellcheck shell=bash

free_port() {
  local port
  for _ in {1..100}; do
    # Below the range from which the system takes the ports of outgoing connections.
    port=$((20000 + RANDOM % 12000))
    if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  fail 1 "found no free port."
}

# signal_group SIGNAL PID: the process and all that it has started; alone in the moment before it has its group.
signal_group() { kill "-$1" -- "-$2" 2>/dev/null || kill "-$1" "$2" 2>/dev/null || true; }

# Nothing stays behind, neither helpers of a process that has died nor, after a mistake in here, a process.
PIDS=()
kill_leftovers() {
  local pid
  for pid in "${PIDS[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
}

# run_local N: ends the script with 0 where all are done, 75 where all have saved, else with the code of the first
# crash.
run_local() {
  local count=$1 port codes=() words=() offset i
  local pending="" asked=0 running saved=0 crash="" deadline="" harder=TERM
  check_value --local "$count" '[1-9][0-9]*' "a number of processes"
  GRACE=${GRACE:-30}
  check_value GRACE "$GRACE" '[0-9]+' "seconds"
  LOGS=${LOGS:-$WORKDIR-logs}
  find_recgoat
  port=$(free_port)
  AT_EXIT+=(kill_leftovers)
  trap 'pending=TERM' TERM HUP
  trap 'pending=INT' INT

  call mkdir -p "$LOGS"
  for ((i = 0; i < count; i++)); do
    words=("$RECGOAT" "${TRAIN_LINE[@]:1}" --coordinator "127.0.0.1:$port" --num-processes "$count" --process-id "$i")
    if [ "$DRY_RUN" = 1 ]; then
      call "${words[@]}"
      continue
    fi
    touch "$LOGS/process-$i.log"
    offset=$(wc -c <"$LOGS/process-$i.log")
    # A session of its own, so that a signal reaches it once, through this script. What a shell starts in the
    # background ignores SIGINT unless it is told otherwise.
    PYTHONUNBUFFERED=1 env --default-signal=INT,QUIT setsid "${words[@]}" </dev/null >>"$LOGS/process-$i.log" 2>&1 3>&- &
    PIDS[i]=$!
    codes[i]=""
    # Out of reach of the signals, because the last words come after them.
    [ "$i" != 0 ] || follow_log "$LOGS/process-0.log" "$offset" "${PIDS[0]}" setsid </dev/null &
  done
  [ "$DRY_RUN" = 0 ] || exit 0

  while :; do
    running=()
    for i in "${!PIDS[@]}"; do
      [ -z "${codes[i]}" ] || continue
      if kill -0 "${PIDS[i]}" 2>/dev/null; then
        running+=("${PIDS[i]}")
        continue
      fi
      codes[i]=0
      wait "${PIDS[i]}" || codes[i]=$?
      [ "${codes[i]}" != 0 ] || continue
      # Without this one the others wait in vain.
      deadline=${deadline:-$((SECONDS + GRACE))}
      if [ "${codes[i]}" = 75 ]; then
        saved=1
      elif [ -z "$crash" ]; then
        crash=${codes[i]}
        [ "$asked" = 0 ] || continue
        say "process $i ended with exit code $crash; its output: $LOGS/process-$i.log"
        [ "$i" = 0 ] || tail -n 20 "$LOGS/process-$i.log" >&2
      fi
    done
    [ ${#running[@]} != 0 ] || break
    if [ -n "$deadline" ] && [ "$SECONDS" -ge "$deadline" ]; then
      say "stopping ${#running[@]} of $count processes: SIG$harder"
      pending=$harder
      harder=KILL
      deadline=$((SECONDS + GRACE))
    fi
    if [ -n "$pending" ]; then
      asked=1
      for i in "${running[@]}"; do signal_group "$pending" "$i"; done
      pending=""
    fi
    # A signal of the terminal ends it too.
    sleep 0.2 || true
  done
  wait || true
  if [ -n "$crash" ]; then exit "$crash"; fi
  [ "$saved" = 0 ] || exit 75
  exit 0
}
