// The texts of the catalogue. The order is that of the cases of ``ProblemCode``, which a test holds.

extension ProblemCode {
    private static func entry(
        _ code: ProblemCode, _ name: String, _ status: Int, _ title: String, applied: Applied = .no,
        retry: Retry = .no, cause: String, remedy: String, example: String
    ) -> Entry {
        Entry(
            code: code, name: name, status: status, title: title, applied: applied, retry: retry,
            cause: cause, remedy: remedy, example: example)
    }

    static let ofTheRequest: [Entry] = [
        entry(
            .badRequest, "bad_request", 400, "Bad request",
            cause: "The request contradicts itself or a parameter has a value that it can't have.",
            remedy: "Read the detail: it names the parameter or the header.",
            example: "curl '$P/kv?prefix=a&start=b'"),
        entry(
            .badJSON, "bad_json", 400, "Bad JSON",
            cause: "The body is not one JSON document of the shape that this path takes.",
            remedy: "The detail gives the offset in bytes. Numbers are exact, names are not repeated.",
            example: "curl $P/messages --json '{\"to\":'"),
        entry(
            .unknownParameter, "unknown_parameter", 400, "Unknown parameter",
            cause: "A query parameter or JSON member does not exist here. Nothing is ignored, because a "
                + "condition with a typing error would be no condition.",
            remedy: "Use the nearest valid name, which the answer gives, or see /openapi.json.",
            example: "curl '$P/kv/a?revv=3'"),
        entry(
            .badKey, "bad_key", 400, "Bad key",
            cause: "A key has 1 to 4096 bytes; in a path each percent sign leads two hexadecimal digits.",
            remedy: "Percent-encode the key once: space is %20, slash may stay.",
            example: "curl $P/kv/"),
        entry(
            .badDuration, "bad_duration", 400, "Bad duration",
            cause: "A length of time is a whole number with ms, s, m or h, or alone for seconds.",
            remedy: "Write 250ms, 30s, 5m, 1h or 30.", example: "curl '$P/kv/a?wait=soon&after=1'"),
        entry(
            .futureRevision, "future_revision", 400, "Future revision",
            cause: "The revision asked for has not been reached.",
            remedy: "To wait until a node has reached it, use min_revision instead of rev.",
            example: "curl '$P/kv/a?rev=999999999'"),
        entry(
            .clockAhead, "clock_ahead", 400, "Clock ahead",
            cause: "The time is too far ahead of this node's clock; max_clock_skew_ms is what is allowed.",
            remedy:
                "Look at the clocks of both machines; GET /clock/now tells whether this one is synchronized.",
            example: "curl $P/clock/observe --json '{\"hlc\":\"2999-01-01T00:00:00.000Z/0000\"}'"),
        entry(
            .originDenied, "origin_denied", 403, "Origin denied",
            cause: "A web page of another site sent a request that changes something.",
            remedy: "Start the node with --cors-origin for that site if it should be allowed.",
            example: "curl -X PUT -H 'Origin: http://evil.example' $P/kv/a -d 1"),
        entry(
            .featureDisabled, "feature_disabled", 403, "Feature disabled",
            cause: "The node was started without it: faults need --enable-faults.",
            remedy: "Start every node with --enable-faults, on clusters that are there to be tried.",
            example: "curl $P/faults"),
        entry(
            .keyNotFound, "key_not_found", 404, "Key not found", cause: "There is no such key.",
            remedy: "List what there is with /kv?prefix=. A plain DELETE of an absent key succeeds.",
            example: "curl $P/kv/absent"),
        entry(
            .leaseNotFound, "lease_not_found", 404, "Lease not found",
            cause: "No lease has that id: there never was one, it was revoked, or its time ran out.",
            remedy: "Ask for a new one with POST /leases?ttl=30s, and renew it within that time.",
            example: "curl -X POST $P/leases/gone/renew"),
        entry(
            .requestNotFound, "request_not_found", 404, "Request not found",
            cause: "No request with that idempotency key was carried out, or it was longer than a day ago.",
            remedy: "Send the request with the key: it will be carried out once.",
            example: "curl $P/requests/key:never-used"),
        entry(
            .queueNotFound, "queue_not_found", 404, "Queue not found",
            cause: "No queue has that name. The first message that is sent to one makes it, and so does PUT.",
            remedy: "List the queues with /queues, or make it: curl -X PUT $P/queues/mail",
            example: "curl -X POST $P/queues/absent/receive"),
        entry(
            .taskNotFound, "task_not_found", 404, "Task not found",
            cause: "No task has that id: there never was one, or it was finished over an hour ago, or many "
                + "others were since, and it was forgotten.",
            remedy: "List the tasks that are known with /tasks.",
            example: "curl $P/tasks/t-999999999"),
        entry(
            .workerNotFound, "worker_not_found", 404, "Worker not found",
            cause: "No worker has made itself known by that name, or its lease has ended.",
            remedy: "Register it: curl -X PUT '$P/workers/w1?ttl=30s'",
            example: "curl -X DELETE $P/workers/nobody"),
        entry(
            .participantNotFound, "participant_not_found", 404, "Participant not found",
            cause: "No participant has made itself known by that name, or its lease has ended; nor is a node "
                + "called so.",
            remedy: "Register it: curl -X PUT '$P/participants/a?ttl=30s'",
            example: "curl $P/inbox/nobody"),
        entry(
            .barrierNotFound, "barrier_not_found", 404, "Barrier not found",
            cause: "No barrier has that name: there never was one, it was deleted, or its ttl ran out.",
            remedy: "Make it with PUT, or say parties= when arriving.",
            example: "curl -X POST '$P/barriers/absent/arrive?member=w1'"),
        entry(
            .lockNotFound, "lock_not_found", 404, "Lock not found",
            cause: "Nobody holds that lock, nor waits for it, so there is nothing to break.",
            remedy: "List the locks that are held with /locks. A lock need not be made: acquire it.",
            example: "curl -X DELETE $P/locks/free"),
        entry(
            .semaphoreNotFound, "semaphore_not_found", 404, "Semaphore not found",
            cause: "No semaphore has that name: it was never made, or deleted.",
            remedy: "Make it with PUT /semaphores/{name}?permits=5.",
            example: "curl -X POST $P/semaphores/none/acquire"),
        entry(
            .noLeaderElected, "no_leader_elected", 404, "No leader elected",
            cause: "Nobody leads in that election now.",
            remedy: "Campaign, or ask again.", example: "curl $P/elections/none"),
        entry(
            .memberNotFound, "member_not_found", 404, "Member not found",
            cause: "No member of the cluster has that name.", remedy: "List the members with /members.",
            example: "curl $P/members/nobody"),
        entry(
            .faultNotFound, "fault_not_found", 404, "Fault not found",
            cause: "No fault has that id here: it has healed, or was never set.",
            remedy: "List the faults with /faults; DELETE /faults ends all of them, on every node.",
            example: "curl -X DELETE $P/faults/n1-1"),
        entry(
            .eventNotFound, "event_not_found", 404, "Event not found",
            cause: "No event has that id on this node: it has not come yet, was forgotten, or never was.",
            remedy: "List the events with /events; ask the node that published it.",
            example: "curl $P/events/1-18f2a-7"),
        entry(
            .messageNotFound, "message_not_found", 404, "Message not found",
            cause: "This node has sent no message with that id, or has forgotten it.",
            remedy: "Ask the node that was given the message: its answer's Parley-Node names it.",
            example: "curl $P/messages/01JDABCDEFGHJKMNPQRSTVWXYZ"),
        entry(
            .noSuchRoute, "no_such_route", 404, "No such route",
            cause:
                "Nothing is served at that path. Paths are taken as they are: no dots or slashes "
                + "are removed.",
            remedy: "See / for examples and /openapi.json for all paths.", example: "curl $P/keys"),
        entry(
            .methodNotAllowed, "method_not_allowed", 405, "Method not allowed",
            cause: "The path exists, but not for that method.", remedy: "The Allow header lists the methods.",
            example: "curl -X POST $P/health"),
        entry(
            .requestTimeout, "request_timeout", 408, "Request timeout", retry: .safe,
            cause: "The request did not arrive whole in time, so it was not looked at.",
            remedy: "Send it again on a new connection.", example: "(a client that stops half way)"),
    ]

    static let ofTheState: [Entry] = [
        entry(
            .alreadyExists, "already_exists", 409, "Already exists",
            cause: "An import with mode=create met a key that is there.",
            remedy: "Use mode=upsert to overwrite.",
            example: "curl '$P/kv?mode=create' -d '{\"key\":\"a\",\"value\":\"1\"}'"),
        entry(
            .lockHeld, "lock_held", 409, "Lock held",
            cause:
                "Others hold the lock, or are to get it first; holder tells who, queue_position the place.",
            remedy: "Wait for it with wait=30s, or try again after Retry-After.",
            example: "curl -X POST '$P/locks/deploy/acquire?owner=b'"),
        entry(
            .electionLost, "election_lost", 409, "Election lost",
            cause: "The candidate was not elected within wait; elected tells who leads.",
            remedy: "Campaign again with a longer wait, or follow the leader.",
            example: "curl -X POST '$P/elections/scheduler/campaign?candidate=b'"),
        entry(
            .noPermits, "no_permits", 409, "No permits",
            cause: "Fewer permits are free than were asked for, or others wait for theirs.",
            remedy: "Wait with wait=30s, or try again after Retry-After.",
            example: "curl -X POST $P/semaphores/gpu/acquire"),
        entry(
            .notHolder, "not_holder", 409, "Not the holder",
            cause:
                "It is not held with that token: the lease expired, it was given back or taken away, or the "
                + "token is that of something else.",
            remedy: "Stop what needs it, and acquire it again.",
            example: "curl -X POST '$P/locks/deploy/renew?token=1'"),
        entry(
            .transferRefused, "transfer_refused", 409, "Transfer refused",
            cause:
                "The member can't take over now: it lags, it has no vote, or another transfer is under way.",
            remedy: "Look at lag_entries in /members and try again, or name another member.",
            example: "curl -X POST '$P/leader/transfer?to=n3'"),
        entry(
            .receiptExpired, "receipt_expired", 409, "Receipt expired",
            cause: "The message was acknowledged or given back already, it is gone, or its visibility ran "
                + "out, so that another consumer may have it.",
            remedy: "Drop the message: it comes again, with another receipt. Take a longer visibility, or "
                + "extend it in time.",
            example: "curl -X POST '$P/queues/mail/ack?receipt=1-2'"),
        entry(
            .queueNotEmpty, "queue_not_empty", 409, "Queue not empty",
            cause: "The order of a queue can't be changed while it has messages.",
            remedy: "Receive them all, or delete them: curl -X DELETE $P/queues/mail/messages",
            example: "curl $P/queues/mail -d 1; "
                + "curl -X PUT $P/queues/mail --json '{\"order\":\"priority\"}'"),
        entry(
            .taskFinished, "task_finished", 409, "Task finished",
            cause: "What is done, given up or called off stays so, and can't be called off.",
            remedy: "Look what became of it with /tasks/{id}.",
            example: "curl -X DELETE $P/tasks/t-12"),
        entry(
            .barrierBroken, "barrier_broken", 409, "Barrier broken",
            cause: "Not all parties of this generation will arrive: the lease of one ended, or the barrier "
                + "was reset or deleted.",
            remedy: "Agree on what to do, then one party resets it: POST /barriers/{name}/reset",
            example: "curl -X POST '$P/barriers/b/arrive?member=w1&parties=2&wait=60s' & "
                + "curl -X POST $P/barriers/b/reset"),
        entry(
            .otherGeneration, "other_generation", 409, "Other generation",
            cause: "The barrier is at another generation than the one that was named.",
            remedy: "The answer tells which; without generation= the current one is meant.",
            example: "curl -X POST '$P/barriers/b/arrive?member=w1&parties=2&generation=9'"),
        entry(
            .notArrived, "not_arrived", 409, "Not arrived",
            cause: "Only who has arrived at a barrier can leave it.",
            remedy: "Arrive first, with the same member.",
            example: "curl -X POST '$P/barriers/b/leave?member=stranger'"),
        entry(
            .requestCancelled, "request_cancelled", 409, "Request cancelled",
            cause: "The request was cancelled before it was carried out.",
            remedy: "Send it with another idempotency key if it is wanted after all.",
            example: "curl -X POST $P/requests/key:k1/cancel; "
                + "curl -X PUT -H 'Idempotency-Key: k1' $P/kv/a -d 1"),
        entry(
            .compacted, "compacted", 410, "Compacted",
            cause: "History before compact_revision was dropped.",
            remedy: "Read the current state and go on from its revision.", example: "curl '$P/kv/a?rev=1'"),
        entry(
            .lengthRequired, "length_required", 411, "Length required",
            cause: "A value is needed and the request has no body, not even an empty one.",
            remedy: "Send -d '' or Content-Length: 0 to store an empty value.", example: "curl -X PUT $P/kv/a"
        ),
        entry(
            .preconditionFailed, "precondition_failed", 412, "Precondition failed",
            cause: "The key is not at the revision that If-Match or if_rev names, or it exists although it "
                + "should not, or the other way round.",
            remedy: "Read the key again and decide anew; current_revision says where it is.",
            example: "curl -X PUT -H 'If-Match: \"1\"' $P/kv/a -d 2"),
        entry(
            .txnFailed, "txn_failed", 412, "Transaction failed",
            cause:
                "The guards of a transaction do not all hold, and it has no else; failed_guards lists them.",
            remedy:
                "Read what it depends on again and decide anew, or say with else what is to be done then.",
            example: "curl $P/txn --json '{\"if\":[{\"key\":\"a\",\"revision\":1}],\"then\":[]}'"),
        entry(
            .fenceStale, "fence_stale", 412, "Fence stale",
            cause:
                "What the fencing token is of is not held with it any more. A fenced write changed nothing.",
            remedy: "Stop, or acquire it again: its holder may have gone on from what you last saw.",
            example: "curl '$P/locks/deploy/check?token=1'"),
        entry(
            .contentTooLarge, "content_too_large", 413, "Content too large",
            cause: "A body or value is over its limit: values have up to 1.5 MiB.",
            remedy: "Split it. The limits are in /info.", example: "curl -T big.iso $P/kv/big"),
        entry(
            .uriTooLong, "uri_too_long", 414, "URI too long", cause: "The request line is over 8 KiB.",
            remedy: "Use a shorter key or fewer parameters.", example: "(a key of 9,000 letters)"),
        entry(
            .unsupportedMediaType, "unsupported_media_type", 415, "Unsupported media type",
            cause: "The body is compressed or in a form that this path does not take.",
            remedy: "Send it as it is; for JSON use curl --json.",
            example: "curl -X PUT -H 'Content-Encoding: gzip' $P/kv/a -d 1"),
        entry(
            .expectationFailed, "expectation_failed", 417, "Expectation failed",
            cause: "The Expect header asks for something other than 100-continue.",
            remedy: "Leave it out.", example: "curl -H 'Expect: miracles' $P/version"),
        entry(
            .notLeader, "not_leader", 421, "Not the leader", retry: .safe,
            cause: "This node does not lead and forward=never forbids it to pass the request on.",
            remedy: "Send it to leader_url.", example: "curl -X PUT '$P/kv/a?forward=never' -d 1"),
        entry(
            .misdirectedHost, "misdirected_host", 421, "Misdirected host",
            cause: "The Host header names a host that is not in the list of this node.",
            remedy: "Use the advertised URL, or start the node with --allow-host.",
            example: "curl -H 'Host: evil.example' $P/version"),
        entry(
            .idempotencyKeyReused, "idempotency_key_reused", 422, "Idempotency key reused",
            cause: "A request with that key differed from this one in method, path, query or body.",
            remedy: "Use a new key for each request, and the same one only to repeat it.",
            example: "curl -X PUT -H 'Idempotency-Key: k' $P/kv/a -d 1; "
                + "curl -X PUT -H 'Idempotency-Key: k' $P/kv/a -d 2"),
        entry(
            .invalid, "invalid", 422, "Invalid",
            cause: "The request is well formed but a field can't be accepted; errors lists them.",
            remedy: "Correct the fields that errors names.", example: "curl -X POST '$P/kv/text?op=incr'"),
        entry(
            .rateLimited, "rate_limited", 429, "Too many requests", retry: .safe,
            cause: "Too many requests of this kind, such as waiting reads, are under way.",
            remedy: "Wait as long as Retry-After says.", example: "(100,000 waiting reads)"),
        entry(
            .queueFull, "queue_full", 429, "Queue full", retry: .safe,
            cause: "The queue, or the recipient's inbox, has as many messages as it takes.",
            remedy: "Let messages be received, then send again; max_length is the limit of a queue.",
            example: "curl $P/messages/n2 -d hello"),
        entry(
            .tooManyWatchers, "too_many_watchers", 429, "Too many watchers", retry: .safe,
            cause: "The node serves as many watches as it takes: 20,000, and 10,000 of locks and elections.",
            remedy: "Watch on another node, or put several ranges into one stream with POST /watch.",
            example: "(20,001 watches)"),
        entry(
            .slowConsumer, "slow_consumer", 429, "Slow consumer", retry: .safe,
            cause: "A stream ended because its client left more unread than may be kept for it.",
            remedy: "Take the stream up again behind the last revision that came: nothing is lost.",
            example: "(a watch that is not read)"),
        entry(
            .tooManyWaiters, "too_many_waiters", 429, "Too many waiters", retry: .safe,
            cause: "As many requests wait for this already as may.", remedy: "Try again later.",
            example: "(10,001 candidates)"),
        entry(
            .tooManyFaults, "too_many_faults", 429, "Too many faults", retry: .safe,
            cause: "256 faults act already.",
            remedy: "End some with DELETE /faults/{id}, or wait until they heal by themselves.",
            example: "(the 257th fault)"),
        entry(
            .fieldsTooLarge, "fields_too_large", 431, "Header fields too large",
            cause: "More than 100 header fields, or more than 32 KiB of them.", remedy: "Send fewer.",
            example: "(33 KiB of cookies)"),
    ]

    static let ofTheServer: [Entry] = [
        entry(
            .internal, "internal", 500, "Internal error", applied: .unknown, retry: .withIdempotencyKey,
            cause: "A defect of the server.", remedy: "Report it with the request id.",
            example: "(none known)"),
        entry(
            .notImplemented, "not_implemented", 501, "Not implemented",
            cause:
                "The method, parameter or header is known but not supported by this version. It is refused "
                + "rather than ignored, because the request would mean something else without it.",
            remedy: "Leave it out if the request is meant without it.",
            example: "curl -X PUT '$P/kv/a?ttl=30s' -d 1"),
        entry(
            .noLeader, "no_leader", 503, "No leader", retry: .safe,
            cause: "No leader was found in time; an election may be under way.",
            remedy: "Try again after Retry-After; reads with consistency=stale are answered.",
            example: "curl $P/leader"),
        entry(
            .noQuorum, "no_quorum", 503, "No quorum", retry: .safe,
            cause: "A majority of the members did not confirm in time that the leader still leads.",
            remedy: "Try again, or read with consistency=stale.", example: "curl $P/kv/a"),
        entry(
            .tooStale, "too_stale", 503, "Too stale", retry: .safe,
            cause: "This node's copy is older than max_lag, or did not reach min_revision in time.",
            remedy: "Allow more, ask another node, or add or=linearizable.",
            example: "curl '$P/kv/a?consistency=stale&max_lag=1ms'"),
        entry(
            .shuttingDown, "shutting_down", 503, "Shutting down", retry: .safe,
            cause: "The node is stopping.",
            remedy: "Use another node.", example: "curl $P/readyz"),
        entry(
            .overloaded, "overloaded", 503, "Overloaded", retry: .safe,
            cause: "A bounded queue of the node is full; the request was not taken in.",
            remedy: "Try again after Retry-After, with fewer requests at a time.",
            example: "(more writes than the disk can take)"),
        entry(
            .storageFull, "storage_full", 503, "Storage full", retry: .safe,
            cause: "The disk of a node that is needed has too little room for writes.",
            remedy: "Make room. Reads and deletes go on.", example: "curl -X PUT $P/kv/a -d 1"),
        entry(
            .forwardLoop, "forward_loop", 503, "Forward loop", retry: .safe,
            cause: "A forwarded request reached a node that does not lead either.",
            remedy: "Try again: leadership is moving.", example: "(during an election)"),
        entry(
            .outcomeUnknown, "outcome_unknown", 504, "Outcome unknown", applied: .unknown,
            retry: .withIdempotencyKey,
            cause: "The write was handed to the cluster, and time or leadership ran out before the outcome "
                + "was known. It may have happened or may yet happen.",
            remedy: "Ask GET /requests/{id} with the id of the answer; POST /requests/{id}/cancel makes the "
                + "outcome certain. With an Idempotency-Key the request can be repeated safely.",
            example: "curl -X PUT '$P/kv/a?timeout=1ms' -d 1"),
        entry(
            .versionNotSupported, "version_not_supported", 505, "HTTP version not supported",
            cause: "The request is not in HTTP/1.0 or HTTP/1.1.", remedy: "Use HTTP/1.1.",
            example: "curl --http2-prior-knowledge $P/version"),
        entry(
            .quotaExceeded, "quota_exceeded", 507, "Quota exceeded", retry: .safe,
            cause: "Leases, locks, queues and the like hold as many entries or bytes as a cluster takes.",
            remedy: "Let some end, or revoke, release and delete what is not needed.",
            example: "curl -X POST \"$P/leases?ttl=30s\""),
    ]
}
