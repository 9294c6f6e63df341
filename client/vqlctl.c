/*
 * vqlctl: asks a vql server from the command line.
 */
#include <signal.h>

#include "ctl_commands.h"

int main(int argc, char **argv)
{
    static const ctl_command *const commands[] = {
        &ctl_score_command,  &ctl_append_command, &ctl_get_command,
        &ctl_delete_command, &ctl_models_command, &ctl_import_command,
        &ctl_items_command,  &ctl_token_command,  &ctl_health_command,
    };
    /* A connection that breaks while it is written to is an error of that write, not the end. */
    (void)signal(SIGPIPE, SIG_IGN);
    ctl_arguments arguments;
    switch (ctl_parse(argc, argv, commands, sizeof commands / sizeof commands[0], &arguments)) {
    case CTL_PARSED:
        if (!ctl_hide(&arguments, "token"))
            return CTL_USAGE;
        return arguments.command->run(&arguments);
    case CTL_ANSWERED:
        return CTL_OK;
    default:
        return CTL_USAGE;
    }
}
