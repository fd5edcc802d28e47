#!/bin/sh
# Does by hand what Concertmaster does for each task: worktree, agent, commit, check, merge, check.
# Usage: by_hand.sh REPOSITORY SCRATCH AGENT CHECK PROMPT...
set -eu

if [ "$1" != --task ]; then
    repository=$1 scratch=$2 agent=$3 check=$4
    shift 4
    mkdir -p "$scratch"
    printf '%s\0' "$@" |
        xargs -0 -n 1 -P 8 sh "$0" --task "$repository" "$scratch" "$agent" "$check"
    exit
fi

repository=$2 scratch=$3 agent=$4 check=$5 prompt=$6
task=$(basename "$prompt" .md)
worktree=$scratch/$task
cd "$repository"

# Concurrent `git worktree add` commands fail, because they read each other's half-written files.
flock "$scratch/worktrees.lock" git worktree add --quiet -b "task/$task" "$worktree"
(
    cd "$worktree"
    sh -c "$agent" <"$prompt"
    git add --all
    git commit --quiet --message="Do $task"
    sh -c "$check"
)
(
    flock 9
    git merge --quiet --no-edit "task/$task"
    sh -c "$check"
) 9>"$scratch/merge.lock"
flock "$scratch/worktrees.lock" git worktree remove --force "$worktree"
