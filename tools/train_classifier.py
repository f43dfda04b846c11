#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the flow classifier's tree from what tools/record_traffic recorded, and says how good it is.

  tools/train_classifier.py DIRECTORY                 train, write dataplane/core/classifier_table.h
  tools/train_classifier.py DIRECTORY --report        how good `sluice assess` of build/ is on the test side

The report runs the built `sluice assess`, so it measures the table that is compiled in, the
checkpoints and the hysteresis: after training, build, then ask for the report. Flows are split by
program and settings (record.d/scenarios.py), never one by one. Standard library only.
"""
import argparse
import collections
import glob
import json
import math
import os
import subprocess
import sys

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
CLASSES = ("general", "inference", "training")
CLASS_OF = {"other": 0, "control": 0, "stream": 1, "unary": 1, "collective": 2, "bulk": 2, "checkpoint": 2,
            "dataset": 2, "rdma": 2}
MAX_DEPTH, MAX_SPLITS = 8, 63
HIDDEN = ("port", "wire")
# How long a recording lasts and how fast its link is say nothing about its program; nor do counts,
# which are what they are because a recording ends.
LEFT_OUT = ("age", "rate", "n_c2s", "n_s2c", "turns")
PER_SCENARIO = 1500  # checkpoints of one scenario, so that a long one does not outweigh the others
LEAST_LEAF = 0.002   # share of all weight
KIND_WEIGHT = 0.25   # of telling kinds apart, against classes


def feature_words():
    with open(f"{ROOT}/dataplane/core/flow_features.h") as f:
        return [line.split('"')[1] for line in f if line.lstrip().startswith("X(") and '"' in line]


def label(scene, sport, dport, n_bytes=None):
    """The kind of a flow of this scenario, None when it is a side show (launchers, control connections)."""
    kind = "other" if scene["kind"] == "general" else scene["kind"]
    ends = (int(sport), int(dport))
    if scene["program"] == "mpi":
        return kind if any(20000 <= p < 21000 for p in ends) else None
    if scene["program"] == "ddp":
        return kind if scene["port"] not in ends else None
    if scene["port"] not in ends:
        return None
    if scene["program"] == "iperf3" and n_bytes is not None and n_bytes < 1000000:
        return None
    return kind


def scenes(directory, split):
    for path in sorted(glob.glob(f"{directory}/*.json")):
        with open(path) as f:
            scene = json.load(f)
        if scene["split"] == split:
            yield scene, path[:-5] + ".pcap"


def assess(sluice, *arguments):
    done = subprocess.run([sluice, "assess", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"train_classifier: {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.splitlines()


# --- training ---

def load(directory, sluice, words):
    """[(vector, kind, weight)]: each kind weighs the same, and each scenario within it."""
    by_kind = collections.defaultdict(list)
    hidden = [words.index(w) for w in HIDDEN]
    for scene, path in scenes(directory, "train"):
        n_bytes = {}
        for line in assess(sluice, path, "-o", "json"):
            flow = json.loads(line)
            n_bytes[(flow["src"], flow["sport"], flow["dst"], flow["dport"])] = flow["bytes"]
        rows, per_flow = [], collections.Counter()
        for line in assess(sluice, path, "--features"):
            part = line.split()
            kind = label(scene, part[1], part[3], n_bytes[(part[0], int(part[1]), part[2], int(part[3]))])
            if kind is not None:
                rows.append((tuple(part[:6]), tuple(int(x) for x in part[6:]), kind))
                per_flow[tuple(part[:6])] += 1
        if len(rows) > PER_SCENARIO:
            rows = rows[::len(rows) // PER_SCENARIO + 1]
        if rows:
            by_kind[rows[0][2]].append([(v, k, 1 / per_flow[flow]) for flow, v, k in rows])
    samples = []
    for kind, recorded in by_kind.items():
        for rows in recorded:
            scale = 1 / sum(w for _, _, w in rows) / len(recorded) / 2
            if kind == "other":
                scale *= 6  # chosen on the training side: calling it training costs most
            for vector, _, weight in rows:
                blind = list(vector)
                for i in hidden:
                    blind[i] = 0
                samples.append((vector, kind, weight * scale))
                samples.append((tuple(blind), kind, weight * scale))
    return samples


def entropy(weights):
    total = sum(weights)
    return -sum(w * math.log2(w / total) for w in weights if w > 0) if total > 0 else 0.0


def cost(kinds, names):
    classes = [0.0] * 3
    for weight, name in zip(kinds, names):
        classes[CLASS_OF[name]] += weight
    return entropy(classes) + KIND_WEIGHT * entropy(kinds)


def best_split(rows, n_features, names, usable, least):
    """(gain, feature, threshold) or None."""
    whole = [0.0] * len(names)
    for _, k, w in rows:
        whole[k] += w
    before, total, best = cost(whole, names), sum(whole), None
    for feature in usable:
        bins = collections.defaultdict(lambda: [0.0] * len(names))
        for vector, k, w in rows:
            bins[vector[feature]][k] += w
        low, values = [0.0] * len(names), sorted(bins)
        for value, above in zip(values, values[1:]):
            low = [a + b for a, b in zip(low, bins[value])]
            if sum(low) < least or total - sum(low) < least:
                continue
            high = [max(0.0, a - b) for a, b in zip(whole, low)]
            gain = before - cost(low, names) - cost(high, names)
            if best is None or gain > best[0]:
                best = (gain, feature, (value + above) // 2)
    return best if best is not None and best[0] > 1e-6 * total else None


class Node:
    def __init__(self, rows, depth):
        self.rows, self.depth, self.split, self.sides = rows, depth, None, None


def train(samples, words):
    names = sorted({k for _, k, _ in samples})
    rows = [(v, names.index(k), w) for v, k, w in samples]
    total = sum(w for _, _, w in rows)
    usable = [i for i, w in enumerate(words) if w not in LEFT_OUT]
    root = Node(rows, 0)
    root.split = best_split(rows, len(words), names, usable, LEAST_LEAF * total)
    leaves, n_splits = [root], 0
    while n_splits < MAX_SPLITS:
        node = max((n for n in leaves if n.split), key=lambda n: n.split[0], default=None)
        if node is None:
            break
        _, feature, threshold = node.split
        node.sides = []
        for side in (True, False):
            child = Node([r for r in node.rows if (r[0][feature] <= threshold) == side], node.depth + 1)
            if child.depth < MAX_DEPTH:
                child.split = best_split(child.rows, len(words), names, usable, LEAST_LEAF * total)
            node.sides.append(child)
            leaves.append(child)
        leaves.remove(node)
        n_splits += 1
    return root, names, n_splits


def leaf_of(node, names):
    kinds, classes = collections.Counter(), [0.0] * 3
    for _, k, w in node.rows:
        kinds[names[k]] += w
        classes[CLASS_OF[names[k]]] += w
    total = sum(classes)
    order = sorted(range(3), key=lambda c: -classes[c])
    kind = max((k for k in kinds if CLASS_OF[k] == order[0]), key=lambda k: kinds[k])
    confidence = min(99, round(100 * classes[order[0]] / total))
    return kind, confidence, min(99, round(100 * (classes[order[0]] - classes[order[1]]) / total))


def same(a, b):
    return a.split is None and b.split is None


def write_table(root, names, words, path, about):
    with open(f"{ROOT}/dataplane/core/flow_features.h") as f:
        enums = [line.split("(")[1].split(",")[0] for line in f if line.lstrip().startswith("X(") and '"' in line]
    flat, queue = [], [root]
    flat.append(root)
    while queue:
        node = queue.pop(0)
        if node.sides:
            for child in node.sides:
                flat.append(child)
                queue.append(child)
    number = {id(n): i for i, n in enumerate(flat)}
    lines = []
    for node in flat:
        if node.sides:
            _, feature, threshold = node.split
            lines.append(f"\t{{SL_FEATURE_{enums[feature]}, {threshold}, {number[id(node.sides[0])]}, "
                         f"{number[id(node.sides[1])]}}},")
        else:
            kind, confidence, margin = leaf_of(node, names)
            lines.append(f"\t{{SL_TREE_LEAF, {confidence}, SL_KIND_{kind.upper()}, {margin}}},")
    with open(path, "w") as f:
        f.write("// SPDX-License-Identifier: Apache-2.0\n"
                f"// Written by tools/train_classifier.py: {about}.\n"
                "#ifndef SLUICE_CORE_CLASSIFIER_TABLE_H\n#define SLUICE_CORE_CLASSIFIER_TABLE_H\n\n"
                "#include \"classifier_tree.h\"\n\nstatic const struct sl_tree_node tree[] = {\n"
                + "\n".join(lines) + "\n};\n\n#endif\n")


# --- the report ---

def figures(confusion):
    rows = []
    for c in range(3):
        hit, said = confusion[c][c], sum(confusion[t][c] for t in range(3))
        true = sum(confusion[c])
        precision, recall = hit / said if said else 0.0, hit / true if true else 0.0
        rows.append((precision, recall, 2 * precision * recall / (precision + recall) if hit else 0.0, true))
    return rows


def report(directory, sluice, split, verbose):
    for title, more in (("ports visible", []), ("ports hidden", ["--hide-ports"])):
        confusion = [[0] * 3 for _ in range(3)]
        n_kind_right = n_flows = n_early = n_streams = 0
        wrong, fractions = [], [[0.0] * 3 for _ in range(3)]
        for scene, path in scenes(directory, split):
            mine = [[0] * 3 for _ in range(3)]
            for line in assess(sluice, path, "-o", "json", *more):
                flow = json.loads(line)
                kind = label(scene, flow["sport"], flow["dport"], flow["bytes"])
                if kind is None or flow["packets"] < 20:
                    continue
                true, said = CLASS_OF[kind], CLASSES.index(flow["class"])
                mine[true][said] += 1
                n_flows += 1
                n_kind_right += kind == flow["kind"]
                if kind == "stream":
                    n_streams += 1
                    n_early += said == 1 and flow["decided_at_answer"] is not None and flow["decided_at_answer"] <= 32
            n_mine = sum(map(sum, mine))
            for t in range(3):
                for s in range(3):
                    confusion[t][s] += mine[t][s]
                    fractions[t][s] += mine[t][s] / n_mine if n_mine else 0
                    if t != s and mine[t][s]:
                        wrong.append(f"{scene['name']}: {mine[t][s]} of {n_mine} called {CLASSES[s]}")
        rows = figures(confusion)
        print(f"\n{title}: {n_flows} flows of at least 20 packets")
        print(f"  {'':10s} precision  recall     F1   flows   called " + " ".join(CLASSES))
        for c, (precision, recall, f1, true) in enumerate(rows):
            print(f"  {CLASSES[c]:10s} {precision:9.3f} {recall:7.3f} {f1:6.3f} {true:7d}          "
                  + " ".join(f"{n:{len(CLASSES[i])}d}" for i, n in enumerate(confusion[c])))
        print(f"  macro-F1 {sum(r[2] for r in rows) / 3:.3f}; each scenario weighing the same "
              f"{sum(r[2] for r in figures(fractions)) / 3:.3f}")
        print(f"  general called training: {100 * confusion[0][2] / max(1, sum(confusion[0])):.2f} %; kind right: "
              f"{100 * n_kind_right / max(1, n_flows):.1f} %")
        print(f"  streams called inference within 32 segments of the server: "
              f"{100 * n_early / max(1, n_streams):.1f} % of {n_streams}")
        if verbose:
            print("  " + "\n  ".join(wrong))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--split", default="test", help="side that the report is about")
    parser.add_argument("--verbose", action="store_true", help="name the scenarios with mistakes")
    parser.add_argument("--sluice", default=f"{ROOT}/build/tools/cli/sluice")
    options = parser.parse_args()
    if options.report:
        report(options.directory, options.sluice, options.split, options.verbose)
        return
    words = feature_words()
    samples = load(options.directory, options.sluice, words)
    root, names, n_splits = train(samples, words)
    about = f"{len(samples) // 2} checkpoints, {n_splits} splits"
    write_table(root, names, words, f"{ROOT}/dataplane/core/classifier_table.h", about)
    print(about)


if __name__ == "__main__":
    main()
