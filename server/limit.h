/*
 * Every bound of the server that is not an option (server/config.c has those), each with what it
 * follows from.
 */
#ifndef VQL_SERVER_LIMIT_H
#define VQL_SERVER_LIMIT_H

enum {
    /*
     * Requests that may wait in one thread's mailbox. A full one answers UNAVAILABLE. A power of
     * two.
     */
    LIMIT_MAILBOX = 4096,

    /*
     * Requests of one thread's connections that may be under way at once, wherever their users
     * live. Answers come back through a mailbox of this size, which can therefore never be full. A
     * power of two.
     */
    LIMIT_JOBS = 8192,

    /*
     * Requests of one stream that may be under way at once; the stream is held while there are
     * more.
     */
    LIMIT_STREAM_JOBS = 32,

    /*
     * Requests that may wait in one shard, from all threads together. A full one answers
     * UNAVAILABLE.
     */
    LIMIT_SHARD_JOBS = 8192,

    /*
     * A request without a deadline, or with one further off, waits its turn as if it had one this
     * many milliseconds after it came, so that nothing waits forever behind what is more urgent;
     * those of streams twice as many, so that a bulk import leaves other calls their turn.
     */
    LIMIT_HORIZON_MS = 1000,

    /* Candidates and events of a request that is long: it takes turns with those that are not. */
    LIMIT_SHORT_CANDIDATES = 1024,

    /*
     * How many times longer than a short request one that is long may wait, and one whose user's
     * cache has to be made first: they take that much longer themselves.
     */
    LIMIT_LONG_PATIENCE = 4,
    LIMIT_REBUILD_PATIENCE = 16,

    /* Milliseconds after which a shard looks through its queues for what is not waited for. */
    LIMIT_SWEEP_MS = 10,

    /*
     * Milliseconds between two times that the log of a store on disk is written out, where commits
     * do not wait for that.
     */
    LIMIT_SYNC_MS = 50,

    /*
     * Milliseconds after which it is tried whether the disk can be written, if nothing was, and
     * whether it can be read, if something could not be.
     */
    LIMIT_PROBE_MS = 1000,

    /*
     * Retention: users that are looked at or wait at once, and how often; events of one user that a
     * step looks at or takes out; the part more than are kept that may be there; and how long a
     * sweep through all users takes at least.
     */
    LIMIT_RETAIN_USERS = 128,
    LIMIT_RETAIN_MS = 100,
    LIMIT_RETAIN_STEPS = 16, /* of a turn, where the shard's thread takes them */
    LIMIT_RETAIN_EVENTS = 1024,
    LIMIT_RETAIN_SLACK = 8,
    LIMIT_RETAIN_PASS_MS = 3600000,

    /* Microseconds that what is for a clerk waits at most for what may go with it. */
    LIMIT_FLUSH_US = 200,

    /* How often something is read that others change meanwhile, before it is given up. */
    LIMIT_READS = 4,

    /* Appends that share a commit: what a slow disk makes wait at most. */
    LIMIT_COMMIT_ERRANDS = 4096,

    /* Users of one shard whose last sequence number and so on are remembered between appends. */
    LIMIT_HEADS = 16384,

    /* Users of one shard whose caches are being made from disk at once: 9 KiB each. */
    LIMIT_LOADS = 1024,

    /*
     * A snapshot is saved when a cache is evicted that has so many events more than the last one,
     * and when it has grown by the second number: a load replays no more. Snapshots that are not
     * written yet take so many bytes at most.
     */
    LIMIT_SNAPSHOT_EVENTS = 256,
    LIMIT_SNAPSHOT_GROWTH = 4096,
    LIMIT_SNAPSHOT_BYTES = 16777216,

    /*
     * A store on disk: the cache of what was read, and the size from which on a value is kept
     * beside the sorted files.
     */
    LIMIT_BLOCK_CACHE_BYTES = 67108864,
    LIMIT_MEMTABLE_BYTES = 16777216, /* a start after a crash replays a log of that */
    LIMIT_BLOB_BYTES = 4096,

    /*
     * Redis, in milliseconds: how long a connection and a command may take, and those of the
     * thread that listens; after how long a node
     * that failed is tried again, which doubles up to the longest; how long replicas may take to
     * have an append. How often a command is sent where it is sent elsewhere or is to be tried
     * again, and the first wait between, which doubles. The nodes of a cluster. How often it is
     * looked whether nodes can be written and which they are, and how long what others write may
     * come late before it is no more relied on.
     */
    LIMIT_REDIS_COMMAND_MS = 1000,
    LIMIT_REDIS_FEED_MS = 250,
    LIMIT_REDIS_RETRY_MS = 50,
    LIMIT_REDIS_LONGEST_RETRY_MS = 2000,
    LIMIT_REDIS_WAIT_MS = 500,
    LIMIT_REDIS_ROUNDS = 8,
    LIMIT_REDIS_AGAIN_MS = 2,
    LIMIT_REDIS_NODES = 512,
    LIMIT_REDIS_PROBE_MS = 250,
    LIMIT_REDIS_SILENCE_MS = 750,

    /* Caches of a version that is gone which are freed at a time: well under a millisecond. */
    LIMIT_TIDY_CACHES = 128,

    /* Candidates scored between two looks at the deadline: well under a millisecond. */
    LIMIT_SCORE_CHUNK = 128,

    /* How long a thread scores before it looks at its sockets again, in microseconds. */
    LIMIT_TURN_US = 1000,

    /* Events that go into a cache at a time when it is rebuilt: well under a millisecond. */
    LIMIT_REBUILD_CHUNK = 256,

    /*
     * Events in one answer of History.Get: with at most 44 bytes each they stay below a 4 MiB
     * message.
     */
    LIMIT_GET_EVENTS = 50000,

    /* How long a stream whose answers nobody reads outlives its deadline, in milliseconds. */
    LIMIT_OVERDUE_MS = 100,

    /*
     * What a server that is hardly overloaded asks a client to wait before it tries again, in
     * milliseconds, and how many times that at most.
     */
    LIMIT_PUSHBACK_MS = 100,
    LIMIT_PUSHBACK_GROWTH = 32,

    /*
     * What a connection may waste of a thread's time at once, in milliseconds; server/budget.h
     * says what costs. Some 3,000 cancelled calls, and 1,600 a second for ever.
     */
    LIMIT_BUDGET_MS = 100,

    /* Bytes a second below which a message that is on its way is given up, after --body-ms. */
    LIMIT_BODY_RATE = 512,

    /* Bytes read from or written to a socket at a time. */
    LIMIT_READ_BYTES = 65536,
    LIMIT_BUSY_READ_BYTES = 16384, /* while requests wait to be worked on */
    LIMIT_WRITE_BYTES = 262144,

    /* Seconds of silence after which the kernel asks whether a client is still there. */
    LIMIT_KEEPALIVE_S = 60,

    /* The least that --memory may come to for one thread: below it nothing useful stays. */
    LIMIT_LEAST_MEMORY = 1048576,

    /*
     * What nanopb may be given to do by a message that asks for nothing: fields that are no element
     * of a repeated one, known and unknown, and the bytes of an event, of which 39 are known.
     */
    LIMIT_OTHER_FIELDS = 1024,
    LIMIT_EVENT_BYTES = 128,

    /* Addresses of --listen. */
    LIMIT_LISTENERS = 8,

    /*
     * The admin port: connections at once, seconds that one may be silent, and what one may take of
     * memory, its request's headers among it.
     */
    LIMIT_ADMIN_CONNECTIONS = 32,
    LIMIT_ADMIN_SILENCE_S = 10,
    LIMIT_ADMIN_CONNECTION_BYTES = 16384,

    /*
     * Inspections of users, of which there is one at a time: how many a second, how long one waits
     * for its shard, events and codewords that are looked at, and multiply-adds for the events'
     * keys and the distances of their values, which are fewer events for a wide model.
     */
    LIMIT_INSPECTIONS = 10,
    LIMIT_INSPECT_MS = 2000,
    LIMIT_INSPECT_EVENTS = 4096,
    LIMIT_INSPECT_CODEWORDS = 4096,
    LIMIT_INSPECT_WORK = 1 << 30,
    LIMIT_INSPECT_TOP = 12,    /* events that are named because they weigh most */
    LIMIT_INSPECT_RECENT = 12, /* and because they are the last */

    /* Milliseconds that a page waits for event loops to say what they are like. */
    LIMIT_ASK_MS = 200,

    /* Connections that wait to be accepted. */
    LIMIT_BACKLOG = 511,

    /*
     * HTTP/2: the size of a request's headers, and the windows of a stream and of a connection (RFC
     * 9113 §5.2).
     */
    LIMIT_HEADER_BYTES = 16384,
    LIMIT_STREAM_WINDOW = 262144,
    LIMIT_CONNECTION_WINDOW = 1048576,

    /*
     * Answers that may wait in one stream for a client that reads slowly before its requests are
     * held.
     */
    LIMIT_UNSENT_BYTES = 262144,

    /*
     * What the requests that are done keep of their arrays for the next ones, of one thread: some
     * thousands of short requests, or a few of the longest; and as much again of the memory of
     * calls and connections (spares.h).
     */
    LIMIT_KEPT_BYTES = 4194304,

    /*
     * A connection may have as many requests under way as this part of those that its thread still
     * has room for: one connection alone gets a fifth of LIMIT_JOBS, and however many there are,
     * some room is left for the next (A. K. Choudhury, E. L. Hahne: "Dynamic queue length
     * thresholds for shared-memory packet switches", IEEE/ACM ToN 6(2), 1998).
     */
    LIMIT_SHARE = 4,

    /* Connections that wait for room which are looked at when a request is done. */
    LIMIT_ADMISSIONS = 8,

    /* Requests for items that may wait for the one that is being applied. */
    LIMIT_UPSERTS = 64,

    /* The size of a model file that is read. */
    LIMIT_MODEL_GIB = 64,

    /* The most that --max-models may say: versions of the model that are loaded at once. */
    LIMIT_MODELS = 16,

    /* Orders to load a model that may wait for the one under way. */
    LIMIT_ORDERS = 64,

    /*
     * What a new version is tried with: requests, of those that a thread is asked one in so many,
     * and candidates of one.
     */
    LIMIT_WARM_UP_EVERY = 64,
    LIMIT_WARM_UP_REQUESTS = 64,
    LIMIT_WARM_UP_CANDIDATES = 128,

    /* Milliseconds between two looks at what has become of versions: is one ready, or unused? */
    LIMIT_LOADER_MS = 50,

    /* Milliseconds that a model's file must be left alone before it is read. */
    LIMIT_SETTLE_MS = 200,

    /* The nice value of the thread that loads models, where the kernel lets it not be idle. */
    LIMIT_LOADER_NICE = 10,

    /*
     * Work that nobody waits for, making the caches of a new version: so much of a thread's time
     * at once, and so often.
     */
    LIMIT_BACKGROUND_US = 200,
    LIMIT_BACKGROUND_MS = 1,
    LIMIT_BACKGROUND_SHARE = 16,  /* of the times at which requests wait: one step */
    LIMIT_BACKGROUND_LOADS = 2,   /* users under way at once, with a store on disk */
    LIMIT_BACKGROUND_SLOTS = 512, /* of the table of users, looked at in a step */
};

#endif
