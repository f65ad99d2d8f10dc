"""test_matrix.py SOURCE_FOLDER BASE_LIBRARY [LAUNCHER]: builds language/program.cc with the whole library in one piece, by GCC and
clang at every level of optimisation, and runs it.

In one piece, so that the compiler sees through everything that it may: where the address of errno or of a thread_local is kept over a
switch of stacks, the program finds what belongs to another LWP.
"""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

# As src/threads is always built (cmake/MutiraoSettings.cmake), but for warnings.
COMMON = ["-std=c++23", "-w", "-pthread", "-fno-omit-frame-pointer", "-fstack-clash-protection", "-frounding-math", "-DFMT_SHARED"]
CLANG = ["-D__cpp_concepts=202002L", "-Wno-builtin-macro-redefined"]
LIBRARIES = ["-lfmt", "-luring", "-lboost_context"]
MATRIX = [
    ("g++", ["-O0"]),
    ("g++", ["-O2"]),
    ("g++", ["-O3", "-fPIC", "-pie"]),
    ("g++", ["-O2", "-flto=1"]),
    ("clang++-19", ["-O0"]),
    ("clang++-19", ["-O2"]),
    ("clang++-19", ["-O3", "-fPIC", "-pie"]),
]
LIMIT_S = 240


def build_and_run(root, base, launcher, folder, compiler, flags):
    includes = [f"-I{root}/src/threads/src", f"-I{root}/src/threads/include", f"-I{root}/src/base/include"]
    words = [*COMMON, *(CLANG if "clang" in compiler else []), *flags, *includes]
    whole = folder / "whole.cc"
    sources = sorted((root / "src/threads/src").glob("*.cc"))
    whole.write_text("".join(f'#include "{source}"\n' for source in sources if not source.stem.endswith(("_test", "_fuzz"))))
    objects = []
    for source in (whole, root / "src/threads/language/program.cc"):
        objects.append(folder / (source.stem + ".o"))
        subprocess.run([*launcher, compiler, *words, "-c", source, "-o", objects[-1]], check=True, timeout=LIMIT_S)
    program = folder / "program"
    subprocess.run([compiler, *words, *objects, base, *LIBRARIES, "-o", program], check=True, timeout=LIMIT_S)
    done = subprocess.run([program], capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode != 0 or "all stayed" not in done.stdout:
        return f"exit {done.returncode}: {done.stdout}{done.stderr}"
    return None


def main(root, base, launcher):
    failed = 0
    for compiler, flags in MATRIX:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="mutirao-language-") as folder:
            wrong = build_and_run(pathlib.Path(root), base, launcher, pathlib.Path(folder), compiler, flags)
        print(f"{compiler} {' '.join(flags)}: {wrong or 'ok'} ({time.monotonic() - begun:.1f} s)", flush=True)
        failed += wrong is not None
    sys.exit(failed > 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [word for word in sys.argv[3:] if shutil.which(word)])
