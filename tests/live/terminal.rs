//! A terminal as far as the program uses one: it moves up, clears what is below, and paints. Anything else that would
//! command a terminal fails the test.

/// What stands on a terminal of endless height and width after all of this was written to it.
pub fn screen(written: &str) -> Vec<String> {
    let (mut lines, mut row, mut column): (Vec<Vec<char>>, usize, usize) = (vec![Vec::new()], 0, 0);
    let mut rest = written.chars();
    while let Some(character) = rest.next() {
        match character {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                if row == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "only CSI sequences: {written:?}");
                let mut number = String::new();
                let command = loop {
                    match rest.next() {
                        Some(digit) if digit.is_ascii_digit() || digit == ';' => number.push(digit),
                        other => break other,
                    }
                };
                match command {
                    Some('A') => {
                        row = row.checked_sub(number.parse().unwrap()).expect("not above the first row");
                    }
                    Some('J') => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    Some('m') => {}
                    other => panic!("{number:?}{other:?} in {written:?}"),
                }
            }
            character => {
                assert!(!character.is_control(), "{character:?} in {written:?}");
                let line = &mut lines[row];
                if column == line.len() {
                    line.push(character);
                } else {
                    line[column] = character;
                }
                column += 1;
            }
        }
    }
    lines.into_iter().map(|line| line.into_iter().collect()).collect()
}

/// Whether there is a `script` that makes a terminal.
pub fn is_there() -> bool {
    let found = std::process::Command::new("script").arg("--version").output();
    let is_there = found.is_ok_and(|output| output.status.success());
    if !is_there {
        crate::support::machine::could_not_run("what a terminal shows", "there is no `script` of util-linux");
    }
    is_there
}

#[test]
fn the_terminal_of_the_tests_draws_as_a_terminal_does() {
    assert_eq!(screen("a\r\nbc\r\n\r\u{1b}[1A\u{1b}[Jd\r\n"), ["a", "d", ""]);
    assert_eq!(screen("ab\rc\u{1b}[1m!\u{1b}[0m"), ["c!"]);
}
