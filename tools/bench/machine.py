# SPDX-License-Identifier: MIT
"""What the figures were measured on."""
from __future__ import annotations

import datetime
import os
import platform
import re
import shlex
import shutil
import subprocess
from pathlib import Path


def read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def first_line_of(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""


def cpu_model() -> str:
    model = re.search(r"^model name\s*:\s*(.+)$", read("/proc/cpuinfo"), re.M)
    return model.group(1).strip() if model else platform.machine()


def memory_mb() -> int:
    total = re.search(r"^MemTotal:\s*(\d+) kB", read("/proc/meminfo"), re.M)
    return int(total.group(1)) // 1024 if total else 0


def system() -> str:
    name = re.search(r'^PRETTY_NAME="?([^"\n]+)', read("/etc/os-release"), re.M)
    return name.group(1) if name else platform.system()


def revision() -> str:
    """The commit that is checked out, with a + if files differ from it."""
    commit = first_line_of("git", "rev-parse", "--short", "HEAD")
    changed = commit and first_line_of("git", "status", "--porcelain", "--untracked-files=no")
    return commit + ("+" if changed else "")


def describe() -> dict[str, object]:
    compiler = shlex.split(os.environ.get("CC", "gcc")) or ["gcc"]
    return {
        "cpu": cpu_model(),
        "arch": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mb": memory_mb(),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": system(),
        "compiler": first_line_of(*compiler, "--version"),
        "revision": revision(),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "load_before": os.getloadavg()[0],
    }


def summary(machine: dict[str, object]) -> str:
    """One line for the head of a table."""
    parts = [f"{machine.get('cores', '?')} x {machine.get('cpu', '?')}", machine.get("kernel"),
             machine.get("system"), machine.get("compiler"), machine.get("date")]
    return ", ".join(str(part) for part in parts if part)
