/*
 * vqlctl's commands, each in the file of its name.
 */
#ifndef VQL_CLIENT_CTL_COMMANDS_H
#define VQL_CLIENT_CTL_COMMANDS_H

#include "ctl_arguments.h"

extern const ctl_command ctl_append_command;
extern const ctl_command ctl_delete_command;
extern const ctl_command ctl_get_command;
extern const ctl_command ctl_health_command;
extern const ctl_command ctl_import_command;
extern const ctl_command ctl_items_command;
extern const ctl_command ctl_models_command;
extern const ctl_command ctl_score_command;
extern const ctl_command ctl_token_command;

#endif
