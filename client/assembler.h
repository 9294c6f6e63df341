/*
 * Puts messages together from the bytes of a stream. gRPC prefixes each message with five bytes: a
 * flag, 1 when it is compressed, and its length, big-endian.
 */
#ifndef VQL_CLIENT_ASSEMBLER_H
#define VQL_CLIENT_ASSEMBLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_PREFIX_BYTES 5

typedef struct assembler {
    size_t max_message_bytes;
    uint8_t prefix[MESSAGE_PREFIX_BYTES];
    size_t prefix_bytes; /* how many of them have come */
    uint8_t *message;    /* owned; NULL until the first message */
    size_t capacity;
    size_t length; /* that the prefix announces */
    size_t filled;
} assembler;

typedef enum assembler_state {
    ASSEMBLER_WAITING,    /* all bytes are taken and no message is complete */
    ASSEMBLER_MESSAGE,    /* message[0 … length) is complete and valid until the next take */
    ASSEMBLER_TOO_LARGE,  /* length is above max_message_bytes */
    ASSEMBLER_COMPRESSED, /* the flag is not 0, and compression was not agreed on */
    ASSEMBLER_NO_MEMORY,
} assembler_state;

void assembler_init(assembler *a, size_t max_message_bytes);
void assembler_free(assembler *a);

/*
 * Takes bytes from *bytes, *count up to the end of the next message, and moves both behind them.
 * After one of the last three states the assembler may only be freed.
 */
assembler_state assembler_take(assembler *a, const uint8_t **bytes, size_t *count);

/* Whether a message has begun and is not complete. */
bool assembler_partial(const assembler *a);

#endif
