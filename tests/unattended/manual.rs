//! The man page and the completions, by the programs that they are for.

use trawl::run::Exit;

use crate::tools::{ask, trawl};

/// The commands that `--help` names below this one, and below those.
fn commands(above: &[&str]) -> Vec<String> {
    let help = trawl(&[above, &["--help"]].concat());
    let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
    let list = list.split("\n\n").next().expect("a list");
    // Two spaces and a name; what is further in is the rest of a line.
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names
        .flat_map(|name| {
            let path = [above, &[name]].concat();
            let below = commands(&path);
            if below.is_empty() { vec![path.join(" ")] } else { below }
        })
        .collect()
}

/// The long options in a help text.
fn options(help: &str) -> Vec<&str> {
    let entries = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    entries
        .filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")))
        .map(|option| option.trim_end_matches("..."))
        .collect()
}

#[test]
fn the_man_page_is_whole_and_renders_without_a_warning() {
    let page = trawl(&["man"]);
    let args = ["-man", "-Tutf8", "-ww", "-P-c", "-P-b", "-P-u", "-rLL=400n", "-rHY=0"];
    let Some(shown) = ask("groff", &args, page.as_bytes(), "the man page") else { return };
    assert!(shown.is_good, "{}", shown.stderr);
    assert_eq!(shown.stderr, "", "groff warns");
    let text = shown.stdout;
    let commands = commands(&[]);
    assert!(commands.len() >= 17, "{commands:?}");
    for command in &commands {
        assert!(text.contains(&format!("\n   trawl {command}\n")), "no part on `trawl {command}` in\n{text}");
        let path: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = trawl(&path);
        let options = options(&help);
        assert!(options.contains(&"--help"), "{options:?}");
        let (_, part) = text.split_once(&format!("\n   trawl {command}\n")).expect("found above");
        let part = part.split("\n   trawl ").next().expect("a part");
        for option in options {
            let place = if ["--help", "--version", "--color", "--verbose", "--quiet"].contains(&option) {
                &text
            } else {
                part
            };
            assert!(place.contains(option), "`{option}` of `trawl {command}` is not in\n{place}");
        }
    }
    for exit in Exit::ALL {
        let line = format!("       {:<7}{}", exit.code(), exit.about());
        assert!(text.lines().any(|found| found == line), "no line `{line}` in\n{text}");
    }
    for heading in ["DESCRIPTION", "EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES"] {
        assert!(text.lines().any(|line| line == heading), "no heading {heading}");
    }
}

/// What bash offers for the last of these words, by the function that the script declares for the program.
fn bash_offers(words: &str) -> Option<Vec<String>> {
    let script = trawl(&["completions", "bash"])
        + &format!(
            "\nset -f -- {words}; set -eu; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMP_LINE=\"$*\"\n\
             COMP_POINT=${{#COMP_LINE}}; declared=$(complete -p trawl); function=${{declared#*-F }}\n\
             function=${{function%% *}}; set +eu; COMPREPLY=()\n\
             \"$function\" trawl \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        );
    let answer = ask("bash", &["--norc", "--noprofile"], script.as_bytes(), "completions of bash")?;
    assert!(answer.is_good && answer.stderr.is_empty(), "{}", answer.stderr);
    Some(answer.stdout.lines().map(str::to_owned).collect())
}

#[test]
fn bash_completes_commands_and_options() {
    let Some(offered) = bash_offers("trawl r") else { return };
    assert_eq!(offered, ["run"]);
    assert_eq!(bash_offers("trawl config sh").unwrap(), ["show"]);
    assert_eq!(bash_offers("trawl run --fr").unwrap(), ["--fresh"]);
    assert_eq!(bash_offers("trawl run --color al").unwrap(), ["always"]);
}

#[test]
fn there_is_a_script_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = trawl(&["completions", shell]);
        for word in ["validate", "only-source", "explain"] {
            assert!(script.contains(word), "{shell} does not know `{word}`");
        }
    }
}

#[test]
fn help_and_man_page_know_every_exit_code() {
    let help = trawl(&["--help"]);
    let (_, codes) = help.split_once("Exit codes:\n").expect("a list of exit codes");
    let found: Vec<String> = codes.lines().map(|line| line.trim().to_owned()).collect();
    let wanted = Exit::ALL.map(|exit| format!("{:>2}  {}", exit.code(), exit.about()).trim().to_owned());
    assert_eq!(found, wanted);
}
