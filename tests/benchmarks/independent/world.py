"""The other side: Meta-World in its own virtual environment. It never imports anything of ours.

    python world.py demonstrations --task push-v3 --count 30 --seed 0 --out push-v3.npz
    python world.py rollouts --task push-v3 --count 40 --seed 10000

`demonstrations` runs the expert of the package and keeps its successes as plain arrays.
`rollouts` asks for actions over stdin and stdout: a message is four bytes of length (big-endian)
and so many bytes of msgpack. It tells {"kind": "observe", "episode", "step", "observation"} (of the
step before and of the present one), is answered {"actions": [[...], ...]}, all of which it plays;
{"kind": "done", "success", "steps", "seed"} ends an episode.
"""

from __future__ import annotations

import argparse
import os
import struct
import sys

import numpy as np

STEPS = 250  # longest episode; a task counts as done at the first success


def world(task: str, seed: int):
    """A world whose reset draws a new start, with the goal in its observation."""
    from metaworld.env_dict import ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE

    return ALL_V3_ENVIRONMENTS_GOAL_OBSERVABLE[f"{task}-goal-observable"](seed=seed)


def start(task: str, seed: int):
    """A fresh world and its first observation: a seed is a start, whatever ran before."""
    made = world(task, seed)
    observation, _ = made.reset(seed=seed)
    return made, observation


def demonstrations(task: str, count: int, seed: int, out: str) -> None:
    from metaworld.policies import ENV_POLICY_MAP

    expert = ENV_POLICY_MAP[task]()
    observations, actions, ends, tried = [], [], [], 0
    while len(ends) < count:
        made, seen = start(task, seed + tried)
        tried += 1
        rows = []
        for _ in range(STEPS):
            action = np.clip(expert.get_action(seen), -1.0, 1.0)
            rows.append((seen, action))
            seen, _, _, _, info = made.step(action)
            if info["success"]:
                break
        else:
            continue
        observations += [row[0] for row in rows]
        actions += [row[1] for row in rows]
        ends.append(len(actions))
    np.savez(
        out,
        observation=np.array(observations, dtype=np.float64),
        action=np.array(actions, dtype=np.float64),
        ends=np.array(ends, dtype=np.int64),
        tried=np.array(tried),
    )
    print(f"{task}: {count} successes of {tried} starts, {len(actions)} steps")


def rollouts(task: str, count: int, seed: int) -> None:
    import msgpack

    # What the packages print must not get between the messages.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def tell(message: dict) -> None:
        packed = msgpack.packb(message)
        pipe.write(struct.pack(">I", len(packed)) + packed)
        pipe.flush()

    for episode in range(count):
        made, seen = start(task, seed + episode)
        before, step, success = seen, 0, False
        while step < STEPS and not success:
            tell(
                {
                    "kind": "observe",
                    "episode": episode,
                    "step": step,
                    "observation": [before.tolist(), seen.tolist()],
                }
            )
            (length,) = struct.unpack(">I", sys.stdin.buffer.read(4))
            answer = msgpack.unpackb(sys.stdin.buffer.read(length))
            for action in answer["actions"]:
                before = seen
                seen, _, _, _, info = made.step(np.clip(np.array(action), -1.0, 1.0))
                step += 1
                success = bool(info["success"])
                if success or step >= STEPS:
                    break
        tell({"kind": "done", "success": success, "steps": step, "seed": seed + episode})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["demonstrations", "rollouts"])
    parser.add_argument("--task", required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out")
    options = parser.parse_args()
    if options.what == "demonstrations":
        demonstrations(options.task, options.count, options.seed, options.out)
    else:
        rollouts(options.task, options.count, options.seed)


if __name__ == "__main__":
    main()
