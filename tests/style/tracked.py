"""The project's own text files, for the checks of this folder."""
import os
import pathlib
import re
import subprocess

TEXT = {".c", ".h", ".cc", ".in", ".py", ".sh", ".md", ".map", ".build",
        ".pml", ".txt", ".yml", ".toml"}
NAMED = {"LICENSE", ".clang-format", ".editorconfig", ".gitignore",
         "expected_skips", "run"}
# Inputs and expected outputs: bytes, not text of ours.
DATA = ("fuzz/corpus/", "tests/golden/data/")
# Tables that a script wrote: laid out by it.
WRITTEN = re.compile(r"tests/golden/\w+_vectors\.h")


def names(root):
    """Paths below root: what git tracks, or all files where it cannot say."""
    try:
        out = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z", "--cached",
             "--others", "--exclude-standard"],
            capture_output=True, text=True, check=True).stdout
        if (root / ".git").exists():
            return sorted(set(filter(None, out.split("\0"))))
    except (OSError, subprocess.CalledProcessError):
        pass
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", "__pycache__")
                      and not (folder == str(root) and f.startswith("build"))]
        found += [os.path.relpath(os.path.join(folder, f), root)
                  for f in files]
    return sorted(found)


def text_files(root):
    root = pathlib.Path(root)
    for name in names(root):
        path = root / name
        if not name.startswith(DATA) and path.is_file() and \
                not path.is_symlink() and \
                (path.suffix in TEXT or path.name in NAMED):
            yield name, path
