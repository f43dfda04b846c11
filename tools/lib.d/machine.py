# SPDX-License-Identifier: Apache-2.0
"""What figures were measured on."""
import os
import platform
import subprocess
import time


def machine():
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="ascii")
                if line.startswith("model name")), platform.processor())
    git = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True).stdout.strip()
    gcc = subprocess.run(["cc", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    return {"cpu": cpu, "cpus": os.cpu_count(), "compiler": gcc, "git": git, "time": time.strftime("%F %T"),
            "load": os.getloadavg()[0]}
