import subprocess
import sys

import pytest

from common.cli import UserError, prediction_arguments, printable, run_command


def failing(error):
    def main():
        raise error

    return main


def test_user_error_is_one_line_and_exit_code_2(capsys):
    with pytest.raises(SystemExit) as exit_info:
        run_command(failing(UserError("train.json, line 3: not JSON\nreally")))
    assert exit_info.value.code == 2
    assert capsys.readouterr() == ("", "error: train.json, line 3: not JSON really\n")


def test_interrupt_is_quiet(capsys):
    with pytest.raises(SystemExit) as exit_info:
        run_command(failing(KeyboardInterrupt()))
    assert exit_info.value.code == 130
    assert capsys.readouterr() == ("", "")


def test_success_and_faults_of_ours_pass_through():
    run_command(lambda: None)
    with pytest.raises(ZeroDivisionError):
        run_command(failing(ZeroDivisionError()))


@pytest.mark.parametrize("lines", [3, 100_000])  # one fits into the output buffer, the other is far too long for it
def test_closed_pipe_is_quiet(lines):
    program = f"import common.cli; common.cli.run_command(lambda: print('line\\n' * {lines}))"
    command = f"'{sys.executable}' -c \"{program}\" | true; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert result.returncode == 141
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("streams", "said"),
    [
        ("> /dev/full", "error: output cannot be written (No space left on device)\n"),
        (">&-", "error: standard output is closed\n"),
        ("<&-", "error: standard input is closed\n"),
    ],
)
@pytest.mark.parametrize("lines", [3, 100_000])
def test_streams_that_are_full_or_closed(streams, said, lines):
    program = f"""
import common.cli, common.files, sys
def main():
    print('line\\n' * {lines})
    if '<' in {streams!r}:
        next(common.files.read_lines('-'))
common.cli.run_command(main)"""
    command = ["bash", "-c", f'"$@" {streams}', "bash", sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == said


def test_lines_of_a_closed_standard_error_do_not_come_out_elsewhere():
    program = "import common.cli, sys; common.cli.run_command(lambda: print('note', file=sys.stderr))"
    command = ["bash", "-c", '"$@" 2>&-', "bash", sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")


def test_nothing_in_a_message_commands_the_terminal():
    assert printable("a\x1b[2Jb\x9b\u202ec\nd\u2028e\ud800") == "a\ufffd[2Jb\ufffd\ufffdc d e\ufffd"
    assert printable("何 é\u3000ﬁ👍") == "何 é\u3000ﬁ👍"


def test_import_sets_the_environment_and_loads_nothing_heavy():
    program = (
        "import os, sys, common.cli, common.files; "
        "print(os.environ['TF_KERAS'], os.environ['TF_USE_LEGACY_KERAS'], 'numpy' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "1 1 False\n"


@pytest.mark.parametrize(
    "options", [[], ["--input", "a"], ["--output", "a"], ["--text", "", "--input", "a", "--output", "a"]]
)
def test_either_files_or_a_text_are_predicted(options, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["predict.py", "--model", "run", *options])
    with pytest.raises(UserError, match="expected either --input and --output, or --text"):
        prediction_arguments("")
