// SPDX-License-Identifier: GPL-3.0-or-later
// The statement a table proof makes. README.md in this folder argues why it is enough.
pragma circom 2.1.6;

include "babyjub.circom";
include "bitify.circom";
include "comparators.circom";
include "eddsaposeidon.circom";
include "poseidon.circom";

// The leaf of an account: Poseidon(key x, key y, balance, nonce).
template AccountLeaf() {
    signal input key[2];
    signal input balance;
    signal input nonce;
    signal output leaf;

    leaf <== Poseidon(4)([key[0], key[1], balance, nonce]);
}

// The roots of a tree before and after one leaf changes: one path, walked twice with the same
// siblings, so that nothing else in the tree can have changed.
template LeafUpdate(depth) {
    signal input index; // range-checked here
    signal input siblings[depth];
    signal input before;
    signal input after;
    signal output rootBefore;
    signal output rootAfter;

    signal right[depth] <== Num2Bits(depth)(index); // bit 1: our node is the right child
    signal old[depth + 1];
    signal new[depth + 1];
    signal oldShift[depth];
    signal newShift[depth];
    old[0] <== before;
    new[0] <== after;
    for (var level = 0; level < depth; level++) {
        oldShift[level] <== right[level] * (siblings[level] - old[level]);
        newShift[level] <== right[level] * (siblings[level] - new[level]);
        old[level + 1] <== Poseidon(2)([
            old[level] + oldShift[level], siblings[level] - oldShift[level]
        ]);
        new[level + 1] <== Poseidon(2)([
            new[level] + newShift[level], siblings[level] - newShift[level]
        ]);
    }
    rootBefore <== old[depth];
    rootAfter <== new[depth];
}

// Demands a difference that is not zero, if asked to: only then has it an inverse.
template Differ() {
    signal input asked; // 0 or 1
    signal input difference;

    signal inverse <-- asked == 1 && difference != 0 ? 1 / difference : 0;
    difference * inverse === asked;
}

// The account's key signed the transaction, for this chain and this venue.
template Authorisation() {
    signal input signed; // 0: nobody did, and nothing is demanded of key and signature
    signal input chainId;
    signal input venue;
    signal input rollup;
    signal input account;
    signal input data[5]; // length, head, and three words
    signal input nonce;
    signal input key[2];
    signal input signature[3]; // R8 x, R8 y, S

    // An account without a key has its owner in its place. The neutral point stands in for that.
    signal point[2];
    point[0] <== signed * key[0];
    point[1] <== signed * (key[1] - 1) + 1;
    // circomlib's verifier takes both points on trust; off the curve its addition law proves
    // nothing.
    BabyCheck()(point[0], point[1]);
    BabyCheck()(signature[0], signature[1]);
    var tag = 149467717543287423666649427244249263921; // "proofwire/l2tx/1" as an integer
    signal message <== Poseidon(11)([
        tag, chainId, venue, rollup, account, data[0], data[1], data[2], data[3], data[4], nonce
    ]);
    EdDSAPoseidonVerifier()(
        signed, point[0], point[1], signature[2], signature[0], signature[1], message
    );
}

// One entry. The order of the words is that of protocol/words.ts, and the rules are those of
// protocol/ledger-check.ts. Flags and accounts are the prover's choice: whatever it chooses, what
// is demanded below makes the words say what the ledger does.
template LedgerEntry(depth) {
    signal input program; // ours
    signal input chainId;
    signal input venue;
    signal input words[42];
    signal input flags[10];
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

    // What it is: exactly one of five if it is ours, none if not.
    for (var i = 0; i < 10; i++) {
        flags[i] * (flags[i] - 1) === 0;
    }
    signal deposit <== flags[0];
    signal balanceOf <== flags[1];
    signal send <== flags[2];
    signal withdraw <== flags[3];
    signal answer <== flags[4]; // from L1, to a withdrawal
    acts === deposit + balanceOf + send + withdraw + answer;
    var called = deposit + balanceOf + send + withdraw;
    signal signed <== flags[5]; // an L2TX; else the owner calls
    signal tried <== flags[6]; // a TRY_CALL
    signal named <== flags[7]; // a deposit with its selector
    signal within <== flags[8]; // a send to an account of the same rollup
    signal failed <== flags[9]; // L1 reverted
    signed * (1 - send - withdraw) === 0;
    tried * (1 - called + signed) === 0;
    named * (1 - deposit) === 0;
    within * (1 - send) === 0;
    failed * (1 - answer) === 0;
    var across = send - within;
    var owned = send + withdraw - signed;

    // The action: every word of it.
    acts * (action[TYPE] - (called + 2 * signed + 5 * tried + 2 * answer)) === 0;
    acts * (action[ROLLUP] - first[ROLLUP - 1]) === 0;
    called * (action[DESTINATION] - index) === 0;
    answer * action[DESTINATION] === 0;
    signal value <== (deposit + failed) * amount;
    acts * (action[VALUE] - value) === 0;
    acts * (action[FAILED] - failed) === 0;
    owned * (action[SOURCE] - key[0]) === 0;
    owned * (action[SOURCE_ROLLUP] - key[1]) === 0;
    (signed + answer) * action[SOURCE] === 0;
    (signed + withdraw + answer) * action[SOURCE_ROLLUP] === 0;
    (signed + withdraw) * action[SCOPE] === 0;
    answer * (action[SCOPE] - 1) === 0;
    // Its data, by selector; an answer may have any.
    called * (action[LENGTH] - (4 * named + 4 * balanceOf + 100 * send + 68 * withdraw)) === 0;
    called * (action[HEAD] - (
        0xd0e30db0 * named + 0xb69ef8a8 * balanceOf + 0x86958157 * send + 0xf3fef3a3 * withdraw
    )) === 0;
    (deposit + balanceOf) * action[DATA] === 0;
    (deposit + balanceOf) * action[DATA + 1] === 0;
    (called - send) * action[DATA + 2] === 0;
    called * action[HASH] === 0;
    within * (action[DATA] - first[0]) === 0;
    across * (action[DATA] - second[0]) === 0;
    send * (action[DATA + 1] - to) === 0;
    send * (action[DATA + 2] - amount) === 0;
    withdraw * (action[DATA + 1] - amount) === 0;
    balanceOf * amount === 0;

    // What the account has afterwards, in 96 bits before and after.
    signal change <== (deposit - send - withdraw + failed) * amount;
    signal balanceAfter <== balance + change;
    _ <== Num2Bits(96)(amount);
    _ <== Num2Bits(96)(balance);
    _ <== Num2Bits(96)(balanceAfter);
    _ <== Num2Bits(64)(nonce);
    _ <== Num2Bits(64)(nonce + signed); // a nonce that would wrap cannot be used

    // What follows: every word of it. A withdrawal calls L1, everything else answers.
    var answers = 1 - withdraw - failed;
    signal target <== withdraw * action[DATA];
    signal outwards <== withdraw * amount;
    signal caller <== withdraw * index;
    signal told <== answers * balanceAfter;
    acts * (next[TYPE] - 2 + withdraw) === 0;
    acts * (next[ROLLUP] - action[SOURCE_ROLLUP]) === 0;
    acts * (next[DESTINATION] - target) === 0;
    acts * (next[VALUE] - outwards) === 0;
    acts * (next[FAILED] - failed) === 0;
    acts * (next[SOURCE] - caller) === 0;
    acts * (next[SOURCE_ROLLUP] - first[0]) === 0;
    acts * (next[SCOPE] - action[SCOPE] - withdraw + answer) === 0;
    acts * (next[LENGTH] - 32 * answers) === 0;
    acts * (next[DATA] - told) === 0;
    acts * next[HEAD] === 0;
    acts * next[DATA + 1] === 0;
    acts * next[DATA + 2] === 0;
    acts * next[HASH] === 0;

    // Who pays: the account that acts, or on a rollup of another program whoever it says.
    send * (from - index) === 0;
    send * (paid - amount) === 0;
    signal message <== Poseidon(5)([first[0], from, second[0], to, paid]);
    signal sent <== across * message;
    signal ether <== (deposit - across - withdraw + failed) * amount;
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

    // Who is paid: an account of this rollup, or of the other one if that is ours too.
    within * receives === 0;
    var credits = within + receives;
    credits * (creditedIndex - to) === 0;
    Differ()(within, index - to); // two accounts
    signal gain <== credits * paid;
    _ <== Num2Bits(96)(gain);
    _ <== Num2Bits(96)(creditedBalance);
    _ <== Num2Bits(96)(creditedBalance + gain);

    // Both trees, or one tree twice: who pays first.
    signal paying[2];
    (paying[0], paying[1]) <== LeafUpdate(depth)(
        index,
        siblings,
        AccountLeaf()(key, balance, nonce),
        AccountLeaf()(key, balanceAfter, nonce + signed)
    );
    signal gaining[2];
    (gaining[0], gaining[1]) <== LeafUpdate(depth)(
        creditedIndex,
        creditedSiblings,
        AccountLeaf()(creditedKey, creditedBalance, creditedNonce),
        AccountLeaf()(creditedKey, creditedBalance + gain, creditedNonce)
    );
    within * (gaining[0] - paying[1]) === 0;

    // The roots: trees and pending calls.
    signal frame <== Poseidon(4)([pending, index, amount, 1]);
    signal popped <== answer * (frame - pending);
    signal pushed <== withdraw * (frame - pending);
    signal chained <== within * (gaining[1] - paying[1]);
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

// A table of at most `entries` entries; the words of those it lacks are zero. Public: p, x, y (in
// this order).
template LedgerTable(entries, depth) {
    signal input p;
    signal input x;
    signal input y;
    signal input words[8 + 42 * entries];
    signal input flags[entries][10];
    signal input index[entries];
    signal input key[entries][2];
    signal input balance[entries];
    signal input nonce[entries];
    signal input pending[entries];
    signal input amount[entries];
    signal input signature[entries][3];
    signal input siblings[entries][depth];
    signal input creditedIndex[entries];
    signal input creditedKey[entries][2];
    signal input creditedBalance[entries];
    signal input creditedNonce[entries];
    signal input creditedPending[entries];
    signal input creditedSiblings[entries][depth];
    signal input from[entries];
    signal input to[entries];
    signal input paid[entries];

    // The header: chainId, venue, executor, first and last block, parent hash in two, program.
    signal chain[3 * entries + 1];
    chain[0] <== Poseidon(15)([
        0, words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7],
        0, 0, 0, 0, 0, 0
    ]);
    component entry[entries];
    component link[3 * entries];
    for (var i = 0; i < entries; i++) {
        entry[i] = LedgerEntry(depth);
        entry[i].chainId <== words[0];
        entry[i].venue <== words[1];
        entry[i].program <== words[7];
        for (var j = 0; j < 42; j++) {
            entry[i].words[j] <== words[8 + 42 * i + j];
        }
        for (var k = 3 * i; k < 3 * i + 3; k++) {
            link[k] = Poseidon(15);
            link[k].inputs[0] <== chain[k];
            for (var j = 0; j < 14; j++) {
                link[k].inputs[1 + j] <== words[8 + 14 * k + j];
            }
            chain[k + 1] <== link[k].out;
        }
        entry[i].flags <== flags[i];
        entry[i].index <== index[i];
        entry[i].key <== key[i];
        entry[i].balance <== balance[i];
        entry[i].nonce <== nonce[i];
        entry[i].pending <== pending[i];
        entry[i].amount <== amount[i];
        entry[i].signature <== signature[i];
        entry[i].siblings <== siblings[i];
        entry[i].creditedIndex <== creditedIndex[i];
        entry[i].creditedKey <== creditedKey[i];
        entry[i].creditedBalance <== creditedBalance[i];
        entry[i].creditedNonce <== creditedNonce[i];
        entry[i].creditedPending <== creditedPending[i];
        entry[i].creditedSiblings <== creditedSiblings[i];
        entry[i].from <== from[i];
        entry[i].to <== to[i];
        entry[i].paid <== paid[i];
    }

    p === chain[3 * entries];
    var count = 8 + 42 * entries;
    signal value[count + 1];
    value[count] <== 0;
    for (var i = count - 1; i >= 0; i--) {
        value[i] <== value[i + 1] * x + words[i];
    }
    y === value[0];
}
