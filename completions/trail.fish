# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_trail_global_optspecs
    string join \n store= as= identity= reveal= reason= color= q/quiet no-pager h/help V/version
end

function __fish_trail_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_trail_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_trail_using_subcommand
    set -l cmd (__fish_trail_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c trail -n "__fish_trail_needs_command" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_needs_command" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_needs_command" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_needs_command" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_needs_command" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_needs_command" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_needs_command" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_needs_command" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_needs_command" -s V -l version -d 'Print version'
complete -c trail -n "__fish_trail_needs_command" -f -a "ingest" -d 'Read exported logs into the store'
complete -c trail -n "__fish_trail_needs_command" -f -a "search" -d 'Find words, phrases or a regular expression in what was logged'
complete -c trail -n "__fish_trail_needs_command" -f -a "timeline" -d 'Show what happened, in order, task by task'
complete -c trail -n "__fish_trail_needs_command" -f -a "tui" -d 'Browse tasks, their events, texts and links in the terminal'
complete -c trail -n "__fish_trail_needs_command" -f -a "verify" -d 'Hold the store against a policy'
complete -c trail -n "__fish_trail_needs_command" -f -a "gate" -d 'Ask the policy before an action runs'
complete -c trail -n "__fish_trail_needs_command" -f -a "rules" -d 'Write rules: check them, test them on their examples, see why one matches'
complete -c trail -n "__fish_trail_needs_command" -f -a "report" -d 'Write a Markdown report on the store'
complete -c trail -n "__fish_trail_needs_command" -f -a "rejects" -d 'List what no reader understood, with the reason'
complete -c trail -n "__fish_trail_needs_command" -f -a "sources" -d 'List the formats that can be read, and describe formats of your own'
complete -c trail -n "__fish_trail_needs_command" -f -a "stats" -d 'Say what the store holds: sources, kinds, days, gaps in time, clocks, what was not read'
complete -c trail -n "__fish_trail_needs_command" -f -a "sql" -d 'Ask in SQL over the tables of the store (read only)'
complete -c trail -n "__fish_trail_needs_command" -f -a "compare" -d 'Hold two groups of tasks beside each other: periods, models, policies, configurations, agents'
complete -c trail -n "__fish_trail_needs_command" -f -a "prepare" -d 'Make what questions would make when they are first asked, so that nobody has to wait for it'
complete -c trail -n "__fish_trail_needs_command" -f -a "stitch" -d 'Join records to tasks, and say by which rules, under which clocks, and what was left alone'
complete -c trail -n "__fish_trail_needs_command" -f -a "explain" -d 'Say why an event is in its task: each link up to the first event, with its evidence'
complete -c trail -n "__fish_trail_needs_command" -f -a "replay" -d 'Step through a task: what was done, what the model saw, who had agreed, what policy says'
complete -c trail -n "__fish_trail_needs_command" -f -a "export" -d 'Give tables to other programs'
complete -c trail -n "__fish_trail_needs_command" -f -a "bundle" -d 'Write one archive on a task, for a lawyer or an auditor'
complete -c trail -n "__fish_trail_needs_command" -f -a "seal" -d 'The log over all records of a store: its key, its checkpoint, and copies of that elsewhere'
complete -c trail -n "__fish_trail_needs_command" -f -a "prove" -d 'Write a proof that records were in the log, or that the log has only grown; or check one'
complete -c trail -n "__fish_trail_needs_command" -f -a "access" -d 'List who has looked at what was logged, and set up who may'
complete -c trail -n "__fish_trail_needs_command" -f -a "erase" -d 'Destroy what a protected store knows of a person'
complete -c trail -n "__fish_trail_needs_command" -f -a "retain" -d 'Destroy texts that are past the time that trail.toml says'
complete -c trail -n "__fish_trail_needs_command" -f -a "demo" -d 'Run the four main commands on a made-up case, in a temporary folder'
complete -c trail -n "__fish_trail_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand ingest" -l source -d 'Attribute everything to this source, e.g. `sap:prod`' -r
complete -c trail -n "__fish_trail_using_subcommand ingest" -l input-format -d 'Read everything in this format (see `trail sources`)' -r
complete -c trail -n "__fish_trail_using_subcommand ingest" -l source-key -d 'Public keys of sources that sign what they log (PEM, Base64, JWK); may be repeated' -r -F
complete -c trail -n "__fish_trail_using_subcommand ingest" -l mapping -d 'A mapping file that describes a format of your own; may be repeated' -r -F
complete -c trail -n "__fish_trail_using_subcommand ingest" -l tz -d 'Zone of times without one, for all or for a source or family; may be repeated' -r
complete -c trail -n "__fish_trail_using_subcommand ingest" -l date-order -d 'Whether the day or the month comes first in dates such as 2/6/19, for all or for a source or family; may be repeated. Without it, a file\'s own dates settle it or its records are left out' -r
complete -c trail -n "__fish_trail_using_subcommand ingest" -l max-record -d 'Largest record in bytes' -r
complete -c trail -n "__fish_trail_using_subcommand ingest" -l jobs -d 'Worker threads [default: one a core]' -r
complete -c trail -n "__fish_trail_using_subcommand ingest" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand ingest" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand ingest" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand ingest" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand ingest" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand ingest" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand ingest" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand ingest" -l lenient -d 'Take JSON, tables and key=value lines of unknown formats too, as events of kind `other`'
complete -c trail -n "__fish_trail_using_subcommand ingest" -l explain -d 'Say why each file is taken for what it is, and ingest nothing'
complete -c trail -n "__fish_trail_using_subcommand ingest" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand ingest" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand ingest" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand search" -l regex -d 'A regular expression' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l where -d 'A field has this value, or begins so: `actor=a.meier*`; may be repeated' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l kind -d 'Only events of this kind; may be repeated' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l source -d 'Only events of this source; may be repeated' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l since -d 'From this time on' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l until -d 'Before this time' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l tz -d 'Zone of --since and --until' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l by -d 'Count by this field instead' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l limit -d 'At most that many events' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''
csv\t''"
complete -c trail -n "__fish_trail_using_subcommand search" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand search" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand search" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand search" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand search" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand search" -l exact -d 'Count all events that fit: without it, counting may stop at 10,000 where words stand in very many texts'
complete -c trail -n "__fish_trail_using_subcommand search" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand search" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand search" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand timeline" -l invoice -d 'Tasks that touch this invoice' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l order -d 'Tasks that touch this order' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l customer -d 'Tasks that touch this customer or vendor' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l case -d 'Tasks that touch this case' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l account -d 'Tasks that touch this account' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l document -d 'Tasks that touch this document' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l task -d 'Tasks whose id begins with this' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l trace -d 'Tasks with this trace id' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l user -d 'Tasks in which this user acts' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l key -d 'Tasks with this key, e.g. `tool_call=call_9x`; may be repeated' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l since -d 'From this time on' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l until -d 'Before this time' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l source -d 'Only events of this source; may be repeated' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l kind -d 'Only events of this kind; may be repeated' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l limit -d 'At most about that many events' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l tz -d 'Zone to show times in' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''
csv\t''
markdown\t''
html\t''"
complete -c trail -n "__fish_trail_using_subcommand timeline" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand timeline" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand timeline" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand timeline" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand timeline" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand timeline" -s v -l verbose -d 'Say why each event is in its task, and where its record lies'
complete -c trail -n "__fish_trail_using_subcommand timeline" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand timeline" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand timeline" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand tui" -l key -d 'Only tasks with an event that has this key' -r
complete -c trail -n "__fish_trail_using_subcommand tui" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand tui" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand tui" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand tui" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand tui" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand tui" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand tui" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand tui" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand tui" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand verify" -l policy -d 'Folder or file of rules [default: the shipped baseline]' -r -F
complete -c trail -n "__fish_trail_using_subcommand verify" -l fail-on -d 'Least level that makes the exit code 1' -r -f -a "informational\t''
low\t''
medium\t''
high\t''
critical\t''"
complete -c trail -n "__fish_trail_using_subcommand verify" -l as-of -d 'Use the version of the policy that was in force on this day' -r
complete -c trail -n "__fish_trail_using_subcommand verify" -l baseline -d 'Report only what an earlier verdict (its JSON output) does not have' -r -F
complete -c trail -n "__fish_trail_using_subcommand verify" -l key -d 'Public key, or file of public keys, one of which has to have signed the log\'s checkpoint [default: `public_key` of [seal] in trail.toml]' -r
complete -c trail -n "__fish_trail_using_subcommand verify" -l pin -d 'A checkpoint that was kept elsewhere, from which the log has to have grown' -r -F
complete -c trail -n "__fish_trail_using_subcommand verify" -l tsa-cert -d 'Certificate (PEM) of a time-stamping authority whose answer lies beside a pin as FILE.tsr' -r -F
complete -c trail -n "__fish_trail_using_subcommand verify" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''
junit\t''
sarif\t''
github\t''
markdown\t''"
complete -c trail -n "__fish_trail_using_subcommand verify" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand verify" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand verify" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand verify" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand verify" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand verify" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand verify" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand verify" -l integrity -d 'Check every file against its manifest and every record against the log, and judge nothing'
complete -c trail -n "__fish_trail_using_subcommand verify" -l derived -d 'Make the derived tables (tasks, links) anew too, and compare'
complete -c trail -n "__fish_trail_using_subcommand verify" -l strict -d 'A rule that cannot be judged makes the exit code 2'
complete -c trail -n "__fish_trail_using_subcommand verify" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand verify" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand gate" -l policy -d 'Folder or file of rules [default: `policy` of [gate] in trail.toml, else the shipped baseline]' -r -F
complete -c trail -n "__fish_trail_using_subcommand gate" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand gate" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand gate" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand gate" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand gate" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand gate" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand gate" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand gate" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand gate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -f -a "list" -d 'List the rules of a policy'
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -f -a "check" -d 'Say what is wrong with rules, with file and line'
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -f -a "test" -d 'Hold rules against their examples'
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -f -a "explain" -d 'Say why a rule matches a task, or why it does not, condition by condition'
complete -c trail -n "__fish_trail_using_subcommand rules; and not __fish_seen_subcommand_from list check test explain help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -l policy -d 'Folder or file of rules [default: the shipped baseline]' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from check" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from check" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from check" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from check" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from check" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from check" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from check" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from test" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from test" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from test" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from test" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from test" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from test" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from test" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from test" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -l policy -d 'Folder or file of rules [default: the shipped baseline]' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the rules of a policy'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from help" -f -a "check" -d 'Say what is wrong with rules, with file and line'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from help" -f -a "test" -d 'Hold rules against their examples'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from help" -f -a "explain" -d 'Say why a rule matches a task, or why it does not, condition by condition'
complete -c trail -n "__fish_trail_using_subcommand rules; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand report" -l policy -d 'Folder or file of rules [default: the shipped baseline]' -r -F
complete -c trail -n "__fish_trail_using_subcommand report" -l framework -d 'Say what the store shows for and against a regulation or standard instead' -r
complete -c trail -n "__fish_trail_using_subcommand report" -l invoice -d 'A report on the tasks about this invoice' -r
complete -c trail -n "__fish_trail_using_subcommand report" -l task -d 'A report on this task (beginning of its id)' -r
complete -c trail -n "__fish_trail_using_subcommand report" -l charts -d 'Put charts (SVG) into this folder; a report on a framework has none' -r -F
complete -c trail -n "__fish_trail_using_subcommand report" -l template -d 'A template of your own (minijinja) in the place of the shipped one' -r -F
complete -c trail -n "__fish_trail_using_subcommand report" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand report" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand report" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand report" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand report" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand report" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand report" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand report" -l executive -d 'One page for those who decide'
complete -c trail -n "__fish_trail_using_subcommand report" -l print-template -d 'Print the shipped template of such a report, for yours to start from'
complete -c trail -n "__fish_trail_using_subcommand report" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand report" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand rejects" -l limit -d 'At most that many' -r
complete -c trail -n "__fish_trail_using_subcommand rejects" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand rejects" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand rejects" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand rejects" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand rejects" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand rejects" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand rejects" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand rejects" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand rejects" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -f -a "new" -d 'Draft a mapping file from a log of an unknown format'
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -f -a "test" -d 'Show what a mapping file makes of a log, record by record'
complete -c trail -n "__fish_trail_using_subcommand sources; and not __fish_seen_subcommand_from new test help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from new" -l name -d 'Name of the format' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from new" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from new" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from new" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from new" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from new" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from new" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from new" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from new" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -l limit -d 'At most that many records' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -l tz -d 'Zone of times without one' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from help" -f -a "new" -d 'Draft a mapping file from a log of an unknown format'
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from help" -f -a "test" -d 'Show what a mapping file makes of a log, record by record'
complete -c trail -n "__fish_trail_using_subcommand sources; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand stats" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand stats" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand stats" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand stats" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand stats" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand stats" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand stats" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand stats" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand stats" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand stats" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand stats" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand sql" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''
jsonl\t''
csv\t''"
complete -c trail -n "__fish_trail_using_subcommand sql" -l limit -d 'Most rows of a table for people' -r
complete -c trail -n "__fish_trail_using_subcommand sql" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand sql" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand sql" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand sql" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand sql" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand sql" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand sql" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand sql" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand sql" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand sql" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand compare" -l before -d 'The one side' -r
complete -c trail -n "__fish_trail_using_subcommand compare" -l after -d 'The other' -r
complete -c trail -n "__fish_trail_using_subcommand compare" -l policy -d 'Folder or file of rules whose findings are compared [default: the shipped baseline]' -r -F
complete -c trail -n "__fish_trail_using_subcommand compare" -l tz -d 'Zone of the periods' -r
complete -c trail -n "__fish_trail_using_subcommand compare" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand compare" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand compare" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand compare" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand compare" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand compare" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand compare" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand compare" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand compare" -l all -d 'Show differences that may be chance too'
complete -c trail -n "__fish_trail_using_subcommand compare" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand compare" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand compare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand prepare" -l policy -d 'Folder or file of rules of the verdict [default: the shipped baseline]' -r -F
complete -c trail -n "__fish_trail_using_subcommand prepare" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand prepare" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand prepare" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand prepare" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand prepare" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand prepare" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand prepare" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand prepare" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand prepare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand stitch" -l threshold -d 'How likely a cause must be to join its effect to its task, between 0.5 and 1; of this run only, the setting is in trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand stitch" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand stitch" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand stitch" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand stitch" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand stitch" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand stitch" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand stitch" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand stitch" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand stitch" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand stitch" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand stitch" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand explain" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand explain" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand explain" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand explain" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand explain" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand explain" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand explain" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand explain" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand explain" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand explain" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand replay" -l task -d 'Beginning of the task\'s id' -r
complete -c trail -n "__fish_trail_using_subcommand replay" -l until -d 'Up to this step, or up to this time' -r
complete -c trail -n "__fish_trail_using_subcommand replay" -l policy -d 'Judge by this folder or file of rules [default: the shipped baseline]' -r -F
complete -c trail -n "__fish_trail_using_subcommand replay" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand replay" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand replay" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand replay" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand replay" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand replay" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand replay" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand replay" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand replay" -l diff -d 'Only what each step changed, and what was broken'
complete -c trail -n "__fish_trail_using_subcommand replay" -s i -l interactive -d 'Go step by step: Enter or `n` forward, `p` back, a number to go there, `q` to leave'
complete -c trail -n "__fish_trail_using_subcommand replay" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand replay" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand replay" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand export" -l format -d 'Form of the output' -r -f -a "csv\t''
jsonl\t''
timesketch\t''
timesketch-jsonl\t''
ocel\t''
ocel-sqlite\t''
otlp\t''
parquet\t''
arrow\t''"
complete -c trail -n "__fish_trail_using_subcommand export" -l task -d 'Only the events of this task (beginning of its id)' -r
complete -c trail -n "__fish_trail_using_subcommand export" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand export" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand export" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand export" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand export" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand export" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand export" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand export" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand export" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand bundle" -l task -d 'Beginning of the task\'s id' -r
complete -c trail -n "__fish_trail_using_subcommand bundle" -l policy -d 'Folder or file of rules [default: the shipped baseline]' -r -F
complete -c trail -n "__fish_trail_using_subcommand bundle" -l tz -d 'Zone to show times in' -r
complete -c trail -n "__fish_trail_using_subcommand bundle" -s o -l output -d 'Write to this file [default: trail-TASK.zip]' -r -F
complete -c trail -n "__fish_trail_using_subcommand bundle" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand bundle" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand bundle" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand bundle" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand bundle" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand bundle" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand bundle" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand bundle" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand bundle" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -f -a "key" -d 'Make a key: the secret half in FILE, the public half in FILE.pub'
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -f -a "status" -d 'Say how far the log has come and who signed it'
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -f -a "checkpoint" -d 'Seal what is not sealed yet (the gate\'s decisions, looks at contents) and sign the checkpoint'
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -f -a "witness" -d 'Check the store in full, then add one\'s own signature to its checkpoint'
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -f -a "pin" -d 'Write the checkpoint to a file, to be kept elsewhere; with FILE.tsq, a request for a time stamp'
complete -c trail -n "__fish_trail_using_subcommand seal; and not __fish_seen_subcommand_from key status checkpoint witness pin help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from key" -l name -d 'Name of the key, shown with each signature' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from key" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from key" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from key" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from key" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from key" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from key" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from key" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from key" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from status" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from status" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from status" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from status" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from status" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from status" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from status" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from status" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from checkpoint" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from checkpoint" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from checkpoint" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from checkpoint" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from checkpoint" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from checkpoint" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from checkpoint" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from checkpoint" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from checkpoint" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -l key -d 'Secret key of the witness' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -l pin -d 'A checkpoint that the witness has seen before' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from witness" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from pin" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from pin" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from pin" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from pin" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from pin" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from pin" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from pin" -l tsa -d 'Write FILE.tsq too'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from pin" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from pin" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from pin" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from help" -f -a "key" -d 'Make a key: the secret half in FILE, the public half in FILE.pub'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from help" -f -a "status" -d 'Say how far the log has come and who signed it'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from help" -f -a "checkpoint" -d 'Seal what is not sealed yet (the gate\'s decisions, looks at contents) and sign the checkpoint'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from help" -f -a "witness" -d 'Check the store in full, then add one\'s own signature to its checkpoint'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from help" -f -a "pin" -d 'Write the checkpoint to a file, to be kept elsewhere; with FILE.tsq, a request for a time stamp'
complete -c trail -n "__fish_trail_using_subcommand seal; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -l check -d 'Check this proof; no store is needed' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -l key -d 'Public key, or file of public keys, one of which has to have signed' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -l format -d 'Form of the output of --check' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -f -a "event" -d 'Prove the record behind an event'
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -f -a "task" -d 'Prove the records of all events of a task'
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -f -a "consistency" -d 'Prove that the log has only grown since a checkpoint'
complete -c trail -n "__fish_trail_using_subcommand prove; and not __fish_seen_subcommand_from event task consistency help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -l with-contents -d 'Put the records themselves into the proof'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from event" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -l with-contents -d 'Put the records themselves into the proof'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from task" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -l from -d 'The earlier checkpoint' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from consistency" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from help" -f -a "event" -d 'Prove the record behind an event'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from help" -f -a "task" -d 'Prove the records of all events of a task'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from help" -f -a "consistency" -d 'Prove that the log has only grown since a checkpoint'
complete -c trail -n "__fish_trail_using_subcommand prove; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -s o -l output -d 'Write to this file' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -f -a "key" -d 'Make a key of one\'s own, as age-keygen does; the public one is printed'
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -f -a "protect" -d 'Protect a new store for the roles of its trail.toml'
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -f -a "rewrap" -d 'Wrap the store\'s keys again, for those who have the roles now'
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -f -a "data-key" -d 'Print the key of a batch\'s texts, with which other tools read them (docs/access.md)'
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -f -a "whoami" -d 'Show who asks, in which role, and what that may'
complete -c trail -n "__fish_trail_using_subcommand access; and not __fish_seen_subcommand_from key protect rewrap data-key whoami help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from key" -s o -l output -d 'File of the secret key; readable for its owner only' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from key" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from key" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from key" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from key" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from key" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from key" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from key" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from key" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from protect" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from protect" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from protect" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from protect" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from protect" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from protect" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from protect" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from protect" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from protect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from rewrap" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from rewrap" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from rewrap" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from rewrap" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from rewrap" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from rewrap" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from rewrap" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from rewrap" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from rewrap" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from data-key" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from data-key" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from data-key" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from data-key" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from data-key" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from data-key" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from data-key" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from data-key" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from data-key" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from whoami" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from whoami" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from whoami" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from whoami" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from whoami" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from whoami" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from whoami" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from whoami" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from whoami" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from help" -f -a "key" -d 'Make a key of one\'s own, as age-keygen does; the public one is printed'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from help" -f -a "protect" -d 'Protect a new store for the roles of its trail.toml'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from help" -f -a "rewrap" -d 'Wrap the store\'s keys again, for those who have the roles now'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from help" -f -a "data-key" -d 'Print the key of a batch\'s texts, with which other tools read them (docs/access.md)'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from help" -f -a "whoami" -d 'Show who asks, in which role, and what that may'
complete -c trail -n "__fish_trail_using_subcommand access; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand erase" -l subject -d 'The person: an e-mail address, user name, number or name, as it was logged' -r
complete -c trail -n "__fish_trail_using_subcommand erase" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand erase" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand erase" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand erase" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand erase" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand erase" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand erase" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand erase" -l dry-run -d 'Say what would be destroyed, and destroy nothing'
complete -c trail -n "__fish_trail_using_subcommand erase" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand erase" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand erase" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand retain" -l format -d 'Form of the output' -r -f -a "table\t''
json\t''"
complete -c trail -n "__fish_trail_using_subcommand retain" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand retain" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand retain" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand retain" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand retain" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand retain" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand retain" -l dry-run -d 'Say what would be destroyed, and destroy nothing'
complete -c trail -n "__fish_trail_using_subcommand retain" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand retain" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand retain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand demo" -l store -d 'The store\'s folder [default: the nearest `.trail` folder upward]' -r -F
complete -c trail -n "__fish_trail_using_subcommand demo" -l as -d 'Look at a protected store in this role of its trail.toml' -r
complete -c trail -n "__fish_trail_using_subcommand demo" -l identity -d 'File of your secret key of age, for a protected store' -r -F
complete -c trail -n "__fish_trail_using_subcommand demo" -l reveal -d 'Show what pseudonyms of these kinds stand for: `all`, or `person`, `email`, `name`, …; needs --reason' -r
complete -c trail -n "__fish_trail_using_subcommand demo" -l reason -d 'Why you look at this; it is written down with the look (`trail access`)' -r
complete -c trail -n "__fish_trail_using_subcommand demo" -l color -d 'When to colour' -r -f -a "auto\t'Where a terminal shows it, and NO_COLOR is not set'
always\t'Always'
never\t'Never'"
complete -c trail -n "__fish_trail_using_subcommand demo" -l keep -d 'Keep the folder and print where it is'
complete -c trail -n "__fish_trail_using_subcommand demo" -s q -l quiet -d 'Say only what was asked for: no progress, no summary of what went well'
complete -c trail -n "__fish_trail_using_subcommand demo" -l no-pager -d 'Do not show long answers in a pager (TRAIL_PAGER, PAGER, less)'
complete -c trail -n "__fish_trail_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "ingest" -d 'Read exported logs into the store'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "search" -d 'Find words, phrases or a regular expression in what was logged'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "timeline" -d 'Show what happened, in order, task by task'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "tui" -d 'Browse tasks, their events, texts and links in the terminal'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "verify" -d 'Hold the store against a policy'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "gate" -d 'Ask the policy before an action runs'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "rules" -d 'Write rules: check them, test them on their examples, see why one matches'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "report" -d 'Write a Markdown report on the store'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "rejects" -d 'List what no reader understood, with the reason'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "sources" -d 'List the formats that can be read, and describe formats of your own'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "stats" -d 'Say what the store holds: sources, kinds, days, gaps in time, clocks, what was not read'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "sql" -d 'Ask in SQL over the tables of the store (read only)'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "compare" -d 'Hold two groups of tasks beside each other: periods, models, policies, configurations, agents'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "prepare" -d 'Make what questions would make when they are first asked, so that nobody has to wait for it'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "stitch" -d 'Join records to tasks, and say by which rules, under which clocks, and what was left alone'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "explain" -d 'Say why an event is in its task: each link up to the first event, with its evidence'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "replay" -d 'Step through a task: what was done, what the model saw, who had agreed, what policy says'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "export" -d 'Give tables to other programs'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "bundle" -d 'Write one archive on a task, for a lawyer or an auditor'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "seal" -d 'The log over all records of a store: its key, its checkpoint, and copies of that elsewhere'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "prove" -d 'Write a proof that records were in the log, or that the log has only grown; or check one'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "access" -d 'List who has looked at what was logged, and set up who may'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "erase" -d 'Destroy what a protected store knows of a person'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "retain" -d 'Destroy texts that are past the time that trail.toml says'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "demo" -d 'Run the four main commands on a made-up case, in a temporary folder'
complete -c trail -n "__fish_trail_using_subcommand help; and not __fish_seen_subcommand_from ingest search timeline tui verify gate rules report rejects sources stats sql compare prepare stitch explain replay export bundle seal prove access erase retain demo help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from rules" -f -a "list" -d 'List the rules of a policy'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from rules" -f -a "check" -d 'Say what is wrong with rules, with file and line'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from rules" -f -a "test" -d 'Hold rules against their examples'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from rules" -f -a "explain" -d 'Say why a rule matches a task, or why it does not, condition by condition'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from sources" -f -a "new" -d 'Draft a mapping file from a log of an unknown format'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from sources" -f -a "test" -d 'Show what a mapping file makes of a log, record by record'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from seal" -f -a "key" -d 'Make a key: the secret half in FILE, the public half in FILE.pub'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from seal" -f -a "status" -d 'Say how far the log has come and who signed it'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from seal" -f -a "checkpoint" -d 'Seal what is not sealed yet (the gate\'s decisions, looks at contents) and sign the checkpoint'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from seal" -f -a "witness" -d 'Check the store in full, then add one\'s own signature to its checkpoint'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from seal" -f -a "pin" -d 'Write the checkpoint to a file, to be kept elsewhere; with FILE.tsq, a request for a time stamp'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from prove" -f -a "event" -d 'Prove the record behind an event'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from prove" -f -a "task" -d 'Prove the records of all events of a task'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from prove" -f -a "consistency" -d 'Prove that the log has only grown since a checkpoint'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from access" -f -a "key" -d 'Make a key of one\'s own, as age-keygen does; the public one is printed'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from access" -f -a "protect" -d 'Protect a new store for the roles of its trail.toml'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from access" -f -a "rewrap" -d 'Wrap the store\'s keys again, for those who have the roles now'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from access" -f -a "data-key" -d 'Print the key of a batch\'s texts, with which other tools read them (docs/access.md)'
complete -c trail -n "__fish_trail_using_subcommand help; and __fish_seen_subcommand_from access" -f -a "whoami" -d 'Show who asks, in which role, and what that may'
