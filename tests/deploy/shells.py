"""What bash and zsh make of a command line at the terminal: each real, on a pseudo-terminal, with all completions put in at once."""
import os
import pty
import re
import shlex
import subprocess

END = "<end of the words>"
INSERT_ALL = "\x07"  # the key that each binds
HOME, END_OF_LINE = "\x01", "\x05"


def bash(completions, folder):
    """Reads the file itself, as bash-completion does; it is not needed."""
    (folder / "bashrc").write_text(f"PS1= PS2=\nsource {shlex.quote(str(completions / 'bash-completion/completions/troupe'))}\n"
                                   f"bind '\"\\C-g\": insert-completions'\nbind 'set enable-bracketed-paste off'\n")
    return ["bash", "--noprofile", "--rcfile", folder / "bashrc", "-i"]


def zsh(completions, folder):
    (folder / ".zshrc").write_text(f"""PROMPT= RPROMPT= PROMPT2= PROMPT_EOL_MARK=
unsetopt zle_bracketed_paste 2>/dev/null; unset zle_bracketed_paste
bindkey -e
fpath=({shlex.quote(str(completions / 'zsh/vendor-completions'))} $fpath)
autoload -Uz compinit && compinit -u -D
zle -C all-matches complete-word _generic
bindkey '^G' all-matches
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
""")
    return ["env", f"ZDOTDIR={folder}", "zsh", "-o", "no_global_rcs", "-i"]


SHELLS = {"bash": bash, "zsh": zsh}


def completed(shell, completions, folder, line):
    """The words of a line of `troupe` after all completions of the last one are in its place; in a folder whose files they may be."""
    files = folder / "files"
    files.mkdir(exist_ok=True)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(SHELLS[shell](completions, folder), cwd=files, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                               env={"PATH": os.environ["PATH"], "TERM": "dumb", "HOME": str(folder), "LC_ALL": "C.UTF-8", "INPUTRC": "/dev/null"})
    os.close(theirs)
    try:
        os.write(ours, f"{line}{INSERT_ALL}{HOME}printf '<%s>' {END_OF_LINE} {shlex.quote(END)}\nexit\n".encode())
        shown = b""
        while not re.search(rb"<troupe>.*<" + END.encode() + b">", shown, re.S):
            shown += os.read(ours, 4096)
    except OSError as gone:  # the shell ended without
        raise AssertionError(shown.decode(errors="replace")) from gone
    finally:
        os.close(ours)
        process.kill()
        process.wait()
    words = re.search(r"(<troupe>.*)<" + END + ">", shown.decode(), re.S)[1]
    return re.findall("<(.*?)>", words, re.S)[1:]
