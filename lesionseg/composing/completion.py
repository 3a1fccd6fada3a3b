"""Scripts that let a shell complete stages and keys: `lesionseg completion bash|zsh|fish`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lesionseg.composing.files import chosen_groups, options
from lesionseg.composing.help import stage_rows
from lesionseg.errors import UsageError
from lesionseg.settings.record import nearest

OTHERS = ("help", "completion")  # first words that are no stages
BASH = """# lesionseg completion bash > ~/.local/share/bash-completion/completions/lesionseg
_lesionseg() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" known="" key="" word
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "{stages}" -- "$current"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  # bash parts words at a =: key, =, value
  if [[ $current == "=" ]]; then
    key="${{COMP_WORDS[COMP_CWORD-1]}}" current=""
  elif [[ "${{COMP_WORDS[COMP_CWORD-1]}}" == "=" ]]; then
    key="${{COMP_WORDS[COMP_CWORD-2]}}"
  fi
  if [[ -z $key ]]; then
    compopt -o nospace 2> /dev/null
    COMPREPLY=($(compgen -W "$known" -- "$current"))
    return
  fi
  local values=""
  for word in $known; do
    [[ $word == "$key="?* ]] && values+=" ${{word#*=}}"
  done
  if [[ -n $values ]]; then
    COMPREPLY=($(compgen -W "$values" -- "$current"))
  else
    compopt -o filenames 2> /dev/null
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}}
complete -F _lesionseg lesionseg"""

ZSH = """#compdef lesionseg
# lesionseg completion zsh > "${{fpath[1]}}/_lesionseg"
_lesionseg() {{
  local -a known
  if (( CURRENT == 2 )); then
    known=({stages})
    compadd -a known
    return
  fi
  if compset -P '*='; then
    _files
    return
  fi
  case "$words[2]" in
{cases}
  esac
  compadd -S '' -a known
}}
if [[ "$funcstack[1]" == _lesionseg ]]; then
  _lesionseg "$@"
else
  compdef _lesionseg lesionseg
fi"""

FISH = """# lesionseg completion fish > ~/.config/fish/completions/lesionseg.fish
complete -c lesionseg -n __fish_use_subcommand -f -a "{stages}"
{cases}"""


def completion_script(shell: str, stages: Iterable[str]) -> str:
    """The script for a shell. Raises UsageError for another shell."""
    if shell not in SHELLS:
        near = nearest(shell, SHELLS)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UsageError(f"no completion for {shell!r}; want {', '.join(SHELLS)}{hint}")
    template, case = SHELLS[shell]
    cases = "\n".join(case(stage, stage_words(stage)) for stage in stages)
    return template.format(stages=" ".join([*stages, *OTHERS]), cases=cases)


def stage_words(stage: str) -> list[str]:
    """Each key of a stage with its =, and each option of the groups that it lets choose."""
    keys = [f"{row.key}=" for row in stage_rows(stage)]
    groups = [
        f"{group}={option}"
        for group, _ in chosen_groups(stage).values()
        if len(options(group)) > 1 and not group.startswith("network")
        for option in options(group)
    ]
    return list(dict.fromkeys([*keys, *groups]))


def _bash_case(stage: str, known: list[str]) -> str:
    return f'    {stage}) known="{" ".join(known)}" ;;'


def _zsh_case(stage: str, known: list[str]) -> str:
    return f"    {stage}) known=({' '.join(known)}) ;;"


def _fish_case(stage: str, known: list[str]) -> str:
    seen = f"'__fish_seen_subcommand_from {stage}'"
    return f'complete -c lesionseg -n {seen} -a "{" ".join(known)}"'


SHELLS: dict[str, tuple[str, Callable[[str, list[str]], str]]] = {
    "bash": (BASH, _bash_case),
    "zsh": (ZSH, _zsh_case),
    "fish": (FISH, _fish_case),
}
