// SPDX-License-Identifier: GPL-3.0-or-later
// The statement a table proof makes. README.md in this folder argues why it is enough.
pragma circom 2.1.6;

include "babyjub.circom";
include "bitify.circom";
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

// The source's key signed the whole action, for this chain and this venue.
template Authorisation() {
    signal input active;
    signal input chainId;
    signal input venue;
    signal input action[8]; // the entry's words from type to data
    signal input key[2];
    signal input signature[3]; // R8 x, R8 y, S

    // circomlib's verifier takes both points on trust; off the curve its addition law proves
    // nothing.
    BabyCheck()(key[0], key[1]);
    BabyCheck()(signature[0], signature[1]);
    var tag = 149467717543287423666649417550373072689; // "proofwire/call/1" as a big-endian integer
    signal message <== Poseidon(11)([
        tag, chainId, venue,
        action[0], action[1], action[2], action[3], action[4], action[5], action[6], action[7]
    ]);
    EdDSAPoseidonVerifier()(
        active, key[0], key[1], signature[2], signature[0], signature[1], message
    );
}

// One cross-rollup call. The order of the words is that of protocol/table.ts.
template LedgerEntry(depth) {
    signal input chainId;
    signal input venue;
    signal input words[14];
    signal input sourceKey[2];
    signal input sourceBalance;
    signal input sourceSiblings[depth];
    signal input destinationKey[2];
    signal input destinationBalance;
    signal input destinationNonce;
    signal input destinationSiblings[depth];
    signal input signature[3];
    signal output active;

    // Type 1 is a CALL; type 0 is padding, and then every word is zero.
    active <== words[0];
    active * (active - 1) === 0;
    for (var i = 1; i < 14; i++) {
        (1 - active) * words[i] === 0;
    }
    signal sourceRollup <== words[1];
    signal destinationRollup <== words[3];
    signal value <== words[5];
    signal nonce <== words[6];

    _ <== Num2Bits(64)(sourceRollup);
    _ <== Num2Bits(64)(destinationRollup);
    _ <== Num2Bits(96)(value);
    _ <== Num2Bits(64)(nonce);
    _ <== Num2Bits(64)(nonce + 1); // a nonce that would wrap cannot be used
    _ <== Num2Bits(248)(words[7]);

    // Neither rollup is L1 (zero) and they differ: only then has their product with the difference
    // an inverse.
    signal product <== sourceRollup * destinationRollup;
    signal distinct <== product * (sourceRollup - destinationRollup);
    signal inverse <-- active == 1 && distinct != 0 ? 1 / distinct : 0;
    distinct * inverse === active;

    // What the source pays the destination gets; neither goes below zero or above 96 bits.
    _ <== Num2Bits(96)(sourceBalance);
    _ <== Num2Bits(96)(sourceBalance - value);
    _ <== Num2Bits(96)(destinationBalance);
    _ <== Num2Bits(96)(destinationBalance + value);
    words[12] + value === 0; // ether delta of the source rollup
    words[13] - value === 0; // ether delta of the destination rollup

    signal sourceRoots[2];
    (sourceRoots[0], sourceRoots[1]) <== LeafUpdate(depth)(
        words[2],
        sourceSiblings,
        AccountLeaf()(sourceKey, sourceBalance, nonce),
        AccountLeaf()(sourceKey, sourceBalance - value, nonce + 1)
    );
    signal destinationRoots[2];
    (destinationRoots[0], destinationRoots[1]) <== LeafUpdate(depth)(
        words[4],
        destinationSiblings,
        AccountLeaf()(destinationKey, destinationBalance, destinationNonce),
        AccountLeaf()(destinationKey, destinationBalance + value, destinationNonce)
    );
    for (var i = 0; i < 2; i++) {
        active * (sourceRoots[i] - words[8 + i]) === 0;
        active * (destinationRoots[i] - words[10 + i]) === 0;
    }

    signal action[8];
    for (var i = 0; i < 8; i++) {
        action[i] <== words[i];
    }
    Authorisation()(active, chainId, venue, action, sourceKey, signature);
}

// A table of at most `entries` calls. Public: p, x, y (in this order).
template LedgerTable(entries, depth) {
    signal input p;
    signal input x;
    signal input y;
    signal input words[5 + 14 * entries];
    signal input sourceKey[entries][2];
    signal input sourceBalance[entries];
    signal input sourceSiblings[entries][depth];
    signal input destinationKey[entries][2];
    signal input destinationBalance[entries];
    signal input destinationNonce[entries];
    signal input destinationSiblings[entries][depth];
    signal input signature[entries][3];

    // The header: chainId, venue, executor, first and last block.
    _ <== Num2Bits(53)(words[0]);
    _ <== Num2Bits(160)(words[1]);
    _ <== Num2Bits(160)(words[2]);
    _ <== Num2Bits(53)(words[3]);
    _ <== Num2Bits(53)(words[4]);

    signal active[entries];
    signal chain[entries + 1];
    chain[0] <== Poseidon(6)([0, words[0], words[1], words[2], words[3], words[4]]);
    component entry[entries];
    component link[entries];
    for (var i = 0; i < entries; i++) {
        entry[i] = LedgerEntry(depth);
        entry[i].chainId <== words[0];
        entry[i].venue <== words[1];
        link[i] = Poseidon(15);
        link[i].inputs[0] <== chain[i];
        for (var j = 0; j < 14; j++) {
            entry[i].words[j] <== words[5 + 14 * i + j];
            link[i].inputs[1 + j] <== words[5 + 14 * i + j];
        }
        chain[i + 1] <== link[i].out;
        entry[i].sourceKey <== sourceKey[i];
        entry[i].sourceBalance <== sourceBalance[i];
        entry[i].sourceSiblings <== sourceSiblings[i];
        entry[i].destinationKey <== destinationKey[i];
        entry[i].destinationBalance <== destinationBalance[i];
        entry[i].destinationNonce <== destinationNonce[i];
        entry[i].destinationSiblings <== destinationSiblings[i];
        entry[i].signature <== signature[i];
        active[i] <== entry[i].active;
    }
    // There is a first entry, and padding only follows.
    active[0] === 1;
    for (var i = 1; i < entries; i++) {
        active[i] * (1 - active[i - 1]) === 0;
    }

    p === chain[entries];
    var count = 5 + 14 * entries;
    signal value[count + 1];
    value[count] <== 0;
    for (var i = count - 1; i >= 0; i--) {
        value[i] <== value[i + 1] * x + words[i];
    }
    y === value[0];
}
