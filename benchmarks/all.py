"""Every benchmark, one after the other, as docs/performance.md reports them: tables on the screen, JSON in `--out`.

    python benchmarks/all.py --data DIR --libmtl DIR --pytorch-pcgrad DIR --eda-nlp DIR --out benchmarks/results
    python benchmarks/all.py --data DIR --device cuda --only step utilisation paper

On a CPU that takes about an hour on two cores, most of it for `paper`; on CUDA some minutes. `--data` is a directory in the
CS224N layout. A rival without a checkout is left out. A benchmark that fails does not keep the others from running.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import measuring

from mtk.engine.device import choose_device

HERE = Path(__file__).parent


def plan(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """What is run, by the name of its JSON file without the device: script and flags."""
    load = ["--data", arguments.data, "--device", arguments.device]
    step = ["step.py", *load]
    for flag, checkout in (("--libmtl", arguments.libmtl), ("--pytorch-pcgrad", arguments.pytorch_pcgrad)):
        step += [flag, checkout] if checkout else []
    made = {}
    if choose_device(arguments.device).type == "cuda":
        made["step"] = [*step, "--steps", "20"]
        made["step-32"] = [*step, "--batch-size", "32", "--steps", "20"]
        made["step-bert-base"] = [*step, "--encoder", "bert-base-shape", "--steps", "20"]
        made["step-tasks"] = [*step, "--tasks", "2", "4", "8", "16", "--repeats", "3", "--no-memory"]
        made["throughput"] = ["throughput.py", *load, "--steps", "300"]
        made["utilisation"] = ["utilisation.py", *load, "--encoder", "bert-base-shape", "--steps", "20"]
        made["gpu-step"] = ["gpu_step.py", *load]
        made["gpu-step-bert-base"] = ["gpu_step.py", *load, "--encoder", "bert-base-shape"]
        free = ["--padding-free", "on"]
        made["padding"] = ["padding.py", *load]
        made["step-free"] = [*step, *free, "--steps", "20", "--only", "mtk sum", "mtk pcgrad"]
        made["step-tasks-free"] = [*made["step-tasks"], *free, "--only", "mtk sum", "mtk pcgrad"]
        made["gpu-step-free"] = [*made["gpu-step"], *free]
        made["gpu-step-bert-base-free"] = [*made["gpu-step-bert-base"], *free]
        made["paper"] = ["paper.py", *load]
        made["methods"] = ["methods.py", "--device", arguments.device]
    else:
        fp32, bf16 = ["--precision", "fp32"], ["--precision", "bf16"]
        made["step"] = [*step, *fp32, "--repeats", "7", "--steps", "3"]
        made["step-bf16"] = [*step, *bf16, "--repeats", "5", "--steps", "3", "--no-memory"]
        made["step-tasks"] = [*step, *fp32, "--tasks", "2", "4", "8", "16", "--repeats", "3", "--steps", "1", "--only"]
        made["step-tasks"] += ["mtk sum", "mtk pcgrad", "plain PyTorch sum", "TorchJD pcgrad"]
        made["step-tasks"] += ["Pytorch-PCGrad"] if arguments.pytorch_pcgrad else []
        for name, precision in (("fp32", fp32), ("bf16", bf16)):
            made[f"utilisation-{name}"] = ["utilisation.py", *load, *precision]
            made[f"throughput-{name}"] = ["throughput.py", *load, *precision, "--batch-size", "8", "--steps", "20"]
        made["throughput-fp32-64"] = ["throughput.py", *load, *fp32, "--batch-size", "64", "--steps", "4", "--repeats", "2"]
        made["methods"] = ["methods.py", "--device", arguments.device, *fp32, "--repeats", "3", "--steps", "2"]
        made["padding"] = ["padding.py", *load, *fp32]
        made["surgery"] = ["surgery.py", *bf16]
        made["paper"] = ["paper.py", *load, "--combiner", "pcgrad", "--warm-up", "5"]
    if arguments.eda_nlp:
        made["augment"] = ["augment.py", "--data", arguments.data, "--eda-nlp", arguments.eda_nlp]
    made["checkpoint"] = ["checkpoint.py", *load]
    made["startup"] = ["startup.py"]
    made["recordings"] = ["recordings.py", "--data", arguments.data]
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="in the CS224N layout")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    parser.add_argument("--out", type=Path, default=measuring.RESULTS, metavar="DIR", help="for the JSON (results)")
    parser.add_argument("--libmtl", metavar="DIR", help="a checkout of median-research-group/LibMTL")
    parser.add_argument("--pytorch-pcgrad", metavar="DIR", help="a checkout of WeiChengTseng/Pytorch-PCGrad")
    parser.add_argument("--eda-nlp", metavar="DIR", help="a checkout of jasonwei20/eda_nlp")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="those whose name begins so")
    arguments = parser.parse_args()
    kind = choose_device(arguments.device).type
    failed = []
    for name, (script, *flags) in plan(arguments).items():
        if arguments.only and not name.startswith(tuple(arguments.only)):
            continue
        print(f"\n## {name}\n", flush=True)
        out = arguments.out / f"{name}-{kind}.json"
        if subprocess.run([sys.executable, HERE / script, *flags, "--json", out], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
