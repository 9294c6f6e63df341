/* Traffic, latency, memory, shards and models, drawn once a second from /metrics. */
"use strict";
