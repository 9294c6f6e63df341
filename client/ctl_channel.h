/*
 * How vqlctl's channels are made, as the options say: encrypted or not, with a token or without.
 */
#ifndef VQL_CLIENT_CTL_CHANNEL_H
#define VQL_CLIENT_CTL_CHANNEL_H

#include "ctl_arguments.h"
#include "dialing.h"

typedef struct ctl_channel {
    const char *server;           /* --server; the arguments' */
    vqlc_channel_options options; /* its pointers lead into this */
    dialing dialing;
} ctl_channel;

/* Reads the options. Not CTL_OK: what is wrong was printed, and there is nothing to clear. */
ctl_exit ctl_channel_init(ctl_channel *c, const ctl_arguments *arguments);

/* After the channels that were made with it are closed. */
void ctl_channel_clear(ctl_channel *c);

/* Prints that a channel could not be opened. */
void ctl_channel_complain(const ctl_channel *c, int error);

#endif
