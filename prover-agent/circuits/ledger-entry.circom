// SPDX-License-Identifier: GPL-3.0-or-later
// One entry of a table proof.
pragma circom 2.1.6;

include "bitify.circom";
include "comparators.circom";
include "poseidon.circom";
include "ledger-parts.circom";

// One entry. The order of the words is that of protocol/words.ts, and the rules are those of
// protocol/ledger-check.ts. Flags and accounts are the prover's choice: whatever it chooses, what
// is demanded below makes the words say what the ledger does.
template LedgerEntry(depth) {
    signal input program; // ours
    signal input chainId;
    signal input venue;
    signal input words[42];
    signal input flags[24];
    // The account that acts.
    signal input index;
    signal input key[2];
    signal input balance;
    signal input nonce;
    signal input pending; // without the call that is made or answered
    signal input amount;
    signal input signature[3];
    signal input siblings[depth];
    // The account that is credited.
    signal input creditedIndex;
    signal input creditedKey[2];
    signal input creditedBalance;
    signal input creditedNonce;
    signal input creditedPending;
    signal input creditedSiblings[depth];
    // Who pays whom how much, when anybody is credited.
    signal input from;
    signal input to;
    signal input paid;

    signal action[14];
    signal next[14];
    signal first[7];
    signal second[7];
    for (var i = 0; i < 14; i++) {
        action[i] <== words[i];
        next[i] <== words[14 + i];
    }
    for (var i = 0; i < 7; i++) {
        first[i] <== words[28 + i];
        second[i] <== words[35 + i];
    }
    var TYPE = 0, ROLLUP = 1, DESTINATION = 2, VALUE = 3, FAILED = 4, SOURCE = 5;
    var SOURCE_ROLLUP = 6, SCOPE = 7, LENGTH = 8, HEAD = 9, DATA = 10, HASH = 13;
    var PROGRAM = 1, BEFORE = 2, AFTER = 3, ETHER = 4, SENT = 5, RECEIVED = 6;

    // Whose entry this is. Both follow from the words alone.
    signal acts <== IsEqual()([first[PROGRAM], program]);
    signal receives <== IsEqual()([second[PROGRAM], program]);

    for (var i = 0; i < 24; i++) {
        flags[i] * (flags[i] - 1) === 0;
    }
    // What it is: exactly one of these, or a call that fails before it is read.
    signal deposit <== flags[0];
    signal balanceOf <== flags[1];
    signal send <== flags[2];
    signal withdraw <== flags[3];
    signal answer <== flags[4]; // from L1, to a withdrawal
    signal signed <== flags[5]; // an L2TX; else the owner calls
    signal tried <== flags[6]; // a TRY_CALL
    signal named <== flags[7]; // a deposit with its selector
    signal within <== flags[8]; // a send to an account of the same rollup
    signal failed <== flags[9]; // L1 reverted
    signal vacant <== flags[10]; // there is no account at `index`
    // Why a call fails: for one reason, and what that says is demanded below.
    signal strange <== flags[11]; // accounts have no such function
    signal outside <== flags[12]; // its address is not in the tree
    signal missing <== flags[13]; // nor is there an account
    signal unpayable <== flags[14]; // it brings ether to a function that takes none
    signal elsewhere <== flags[15]; // a withdrawal that is not asked for from L1
    signal stranger <== flags[16]; // the caller does not own the account
    signal short <== flags[17]; // the account has too little
    signal full <== flags[18]; // or would have too much
    signal unaddressed <== flags[19]; // a withdrawal to what is no address
    signal itself <== flags[20]; // a send to the account that sends
    signal astray <== flags[21]; // to an address outside of the tree
    signal nobody <== flags[22]; // to where there is no account
    signal brimful <== flags[23]; // to an account that would have too much
    var known = deposit + balanceOf + send + withdraw;
    var unread = strange + outside + missing;
    var called = known + unread;
    var unpaid = itself + astray + nobody + brimful;
    signal fails <== unread + unpayable + elsewhere + stranger + short + full + unaddressed + unpaid;
    acts === called + answer;
    fails * (fails - 1) === 0;
    signed * (1 - send - withdraw) === 0;
    signed * fails === 0; // nobody pays for a transaction that does
    tried * (1 - called + signed) === 0;
    named * (1 - deposit) === 0;
    within * (1 - send) === 0;
    fails * (within - unpaid) === 0;
    failed * (1 - answer) === 0;
    vacant * (1 - outside - missing) === 0;
    missing * (1 - vacant) === 0;
    unpayable * (1 - balanceOf - send - withdraw) === 0;
    (elsewhere + unaddressed) * (1 - withdraw) === 0;
    (stranger + short) * (1 - send - withdraw) === 0;
    full * (1 - deposit) === 0;

    // What is done: all of it, or nothing.
    signal sends <== send * (1 - fails);
    signal withdraws <== withdraw * (1 - fails);
    signal moved <== amount * (1 - fails);
    var inside = within - unpaid;
    var across = sends - inside;
    var owned = sends + withdraws - signed;

    // The action: every word of it. A call that fails may come from anybody with any value.
    acts * (action[TYPE] - (called + 2 * signed + 5 * tried + 2 * answer)) === 0;
    acts * (action[ROLLUP] - first[ROLLUP - 1]) === 0;
    (called - outside) * (action[DESTINATION] - index) === 0;
    answer * action[DESTINATION] === 0;
    signal value <== (deposit + failed) * amount;
    (acts - fails + full) * (action[VALUE] - value) === 0;
    acts * (action[FAILED] - failed) === 0;
    owned * (action[SOURCE] - key[0]) === 0;
    owned * (action[SOURCE_ROLLUP] - key[1]) === 0;
    (signed + answer) * action[SOURCE] === 0;
    (signed + withdraws + answer) * action[SOURCE_ROLLUP] === 0;
    (signed + withdraws) * action[SCOPE] === 0;
    answer * (action[SCOPE] - 1) === 0;
    Differ()(called, action[SOURCE_ROLLUP] - first[0]); // nobody calls itself
    // Its data, by selector; an answer may have any.
    var DEPOSIT = 0xd0e30db0, BALANCE = 0xb69ef8a8, SEND = 0x86958157, WITHDRAW = 0xf3fef3a3;
    known * (action[LENGTH] - (4 * named + 4 * balanceOf + 100 * send + 68 * withdraw)) === 0;
    known * (action[HEAD] - (
        DEPOSIT * named + BALANCE * balanceOf + SEND * send + WITHDRAW * withdraw
    )) === 0;
    (deposit + balanceOf) * action[DATA] === 0;
    (deposit + balanceOf) * action[DATA + 1] === 0;
    (known - send) * action[DATA + 2] === 0;
    known * action[HASH] === 0;
    within * (action[DATA] - first[0]) === 0;
    across * (action[DATA] - second[0]) === 0;
    send * (action[DATA + 1] - to) === 0;
    send * (action[DATA + 2] - amount) === 0;
    withdraw * (action[DATA + 1] - amount) === 0;
    (balanceOf + unread) * amount === 0;

    // The reasons. Length and selector are one number, which is no function's.
    var asked = action[LENGTH] + 65536 * action[HEAD];
    signal other[4];
    other[0] <== asked * (asked - 4 - 65536 * DEPOSIT);
    other[1] <== other[0] * (asked - 4 - 65536 * BALANCE);
    other[2] <== other[1] * (asked - 100 - 65536 * SEND);
    other[3] <== other[2] * (asked - 68 - 65536 * WITHDRAW);
    Differ()(strange, other[3]);
    Differ()(unpayable, action[VALUE]);
    Differ()(elsewhere, action[SOURCE_ROLLUP]);
    DifferInOne()(stranger, [action[SOURCE] - key[0], action[SOURCE_ROLLUP] - key[1]]);
    itself * (index - to) === 0;
    // Those that are about a number above a limit.
    signal measured[4];
    measured[0] <== (short + full + brimful) * amount;
    measured[1] <== outside * action[DESTINATION];
    measured[2] <== astray * to;
    measured[3] <== unaddressed * action[DATA];
    signal beside[2]; // what an amount comes on top of, or is to be paid from
    beside[0] <== (full - short) * balance;
    beside[1] <== brimful * creditedBalance;
    var number = measured[0] + measured[1] + measured[2] + measured[3];
    var limits = short + (full + brimful) * (1 << 96) + (outside + astray) * (1 << depth)
        + unaddressed * (1 << 160);
    Above()(
        short + full + brimful + outside + astray + unaddressed,
        number,
        number + beside[0] + beside[1] - limits
    );

    // What the account has afterwards, in 96 bits before and after.
    signal change <== (deposit - send - withdraw + failed) * moved;
    signal balanceAfter <== balance + change;
    _ <== Num2Bits(96)(moved);
    _ <== Num2Bits(96)(balance);
    _ <== Num2Bits(96)(balanceAfter);
    _ <== Num2Bits(64)(nonce);
    _ <== Num2Bits(64)(nonce + signed); // a nonce that would wrap cannot be used

    // What follows: every word of it. A withdrawal calls L1, everything else answers; who called in
    // vain gets its value back.
    var answers = 1 - withdraws - failed - fails;
    signal target <== withdraws * action[DATA];
    signal outwards <== withdraw * moved;
    signal back <== fails * action[VALUE];
    signal caller <== withdraws * index;
    signal told <== answers * balanceAfter;
    acts * (next[TYPE] - 2 + withdraws) === 0;
    acts * (next[ROLLUP] - action[SOURCE_ROLLUP]) === 0;
    acts * (next[DESTINATION] - target) === 0;
    acts * (next[VALUE] - outwards - back) === 0;
    acts * (next[FAILED] - failed - fails) === 0;
    acts * (next[SOURCE] - caller) === 0;
    acts * (next[SOURCE_ROLLUP] - first[0]) === 0;
    acts * (next[SCOPE] - action[SCOPE] - withdraws + answer) === 0;
    acts * (next[LENGTH] - 32 * answers) === 0;
    acts * (next[DATA] - told) === 0;
    acts * next[HEAD] === 0;
    acts * next[DATA + 1] === 0;
    acts * next[DATA + 2] === 0;
    acts * next[HASH] === 0;

    // Who pays: the account that acts, or on a rollup of another program whoever it says.
    sends * (from - index) === 0;
    sends * (paid - amount) === 0;
    signal message <== Poseidon(5)([first[0], from, second[0], to, paid]);
    signal sent <== across * message;
    signal ether <== (deposit - across - withdraw + failed) * moved;
    acts * (first[ETHER] - ether) === 0;
    acts * (first[SENT] - sent) === 0;
    acts * first[RECEIVED] === 0;

    // The other delta: none, unless somebody sends from one rollup to another.
    for (var i = 0; i < 7; i++) {
        (acts - across) * second[i] === 0;
    }
    signal both <== across * receives;
    var crossing = across + receives - both;
    crossing * (second[ETHER] - paid) === 0;
    crossing * second[SENT] === 0;
    crossing * (second[RECEIVED] - message) === 0;
    Differ()(crossing, first[0] - second[0]); // two rollups

    // Who is paid: an account of this rollup, or of the other one if that is ours too. Or who was
    // looked for in this rollup's tree, and is not there or has too much.
    within * receives === 0;
    var credits = inside + receives;
    var sought = inside + nobody + brimful;
    (sought + receives) * (creditedIndex - to) === 0;
    Differ()(inside, index - to); // two accounts
    signal gain <== credits * paid;
    _ <== Num2Bits(96)(gain);
    _ <== Num2Bits(96)(creditedBalance);
    _ <== Num2Bits(96)(creditedBalance + gain);

    // Both trees, or one tree twice: who pays first.
    signal paying[2];
    (paying[0], paying[1]) <== LeafUpdate(depth)(
        index,
        siblings,
        AccountLeaf()(vacant, key, balance, nonce),
        AccountLeaf()(vacant, key, balanceAfter, nonce + signed)
    );
    signal gaining[2];
    (gaining[0], gaining[1]) <== LeafUpdate(depth)(
        creditedIndex,
        creditedSiblings,
        AccountLeaf()(nobody, creditedKey, creditedBalance, creditedNonce),
        AccountLeaf()(nobody, creditedKey, creditedBalance + gain, creditedNonce)
    );
    sought * (gaining[0] - paying[1]) === 0;

    // The roots: trees and pending calls.
    signal frame <== Poseidon(4)([pending, index, amount, 1]);
    signal popped <== answer * (frame - pending);
    signal pushed <== withdraws * (frame - pending);
    signal chained <== inside * (gaining[1] - paying[1]);
    signal before <== Poseidon(2)([paying[0], pending + popped]);
    signal after <== Poseidon(2)([paying[1] + chained, pending + pushed]);
    acts * (first[BEFORE] - before) === 0;
    acts * (first[AFTER] - after) === 0;
    signal creditedBefore <== Poseidon(2)([gaining[0], creditedPending]);
    signal creditedAfter <== Poseidon(2)([gaining[1], creditedPending]);
    receives * (second[BEFORE] - creditedBefore) === 0;
    receives * (second[AFTER] - creditedAfter) === 0;

    signal data[5];
    for (var i = 0; i < 5; i++) {
        data[i] <== action[LENGTH + i];
    }
    Authorisation()(signed, chainId, venue, first[0], index, data, nonce, key, signature);
}
