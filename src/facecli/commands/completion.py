"""`facecli completion`: what a shell needs to complete facecli's commands and options."""

import os
import sys

import click

SHELLS = ("bash", "zsh", "fish")
_PLACES = {
    "bash": """\
Add this line to ~/.bashrc, then open a new shell (bash 4.4 or newer):

  eval "$(facecli completion bash)"

Or, where the package bash-completion is installed, write the script once:

  mkdir -p ~/.local/share/bash-completion/completions
  facecli completion bash > ~/.local/share/bash-completion/completions/facecli""",
    "zsh": """\
Add this line to ~/.zshrc, below "autoload -Uz compinit && compinit", then open a new shell:

  eval "$(facecli completion zsh)"

Or write the script once into a folder of $fpath, under the name _facecli:

  facecli completion zsh > "${fpath[1]}/_facecli\"""",
    "fish": """\
Write the script once; fish finds it there by itself:

  mkdir -p ~/.config/fish/completions
  facecli completion fish > ~/.config/fish/completions/facecli.fish""",
}
"""Where each shell looks for it."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def completion(shell: str | None) -> None:
    """Print the completion script of a shell; without one, say where to put it.

    \b
    Examples:
      facecli completion                     (how to install it in your shell)
      facecli completion bash
      eval "$(facecli completion zsh)"       (in ~/.zshrc)
      facecli completion fish > ~/.config/fish/completions/facecli.fish
    """
    if shell is None:
        click.echo(how_to_install())
        return
    click.echo(script(shell), nl=False)
    if sys.stdout.isatty():
        click.echo(f"\n# {_PLACES[shell]}".replace("\n", "\n# "), err=True)


def script(shell: str) -> str:
    """The text that the shell reads. `shell` is one of SHELLS."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    complete = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    whole = click.get_current_context().find_root().command
    return complete(whole, {}, "facecli", "_FACECLI_COMPLETE").source()


def how_to_install() -> str:
    """For the shell that SHELL names, or for all."""
    own = os.path.basename(os.environ.get("SHELL", ""))
    shells = (own,) if own in SHELLS else SHELLS
    return "\n\n".join(f"# {shell}\n{_PLACES[shell]}" for shell in shells)


def explain_installation(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Callback of --install-completion: says where to put what, and ends."""
    if value and not ctx.resilient_parsing:
        click.echo(how_to_install())
        ctx.exit()
