/** Every field that the generated module knows is compared with what the Envoy 1.40 binary itself declares. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import protobuf from 'protobufjs';
import { readDescriptors } from '../support/descriptors.ts';
import { partPath, requirePart } from '../support/parts.ts';
import { repositoryRoot } from '../support/root.ts';

const skip = requirePart('envoy');

suite('descriptors of the Envoy binary', { skip }, () => {
  const facts = readDescriptors(partPath('envoy') ?? '');
  const root = protobuf.Root.fromJSON(
    JSON.parse(readFileSync(join(repositoryRoot, 'src/proto/generated/envoy.json'), 'utf8')),
  );
  root.resolveAll();

  test('are found', () => {
    assert.ok(facts.messages.size > 1000, `${facts.messages.size} messages`);
    assert.ok(facts.messages.has('.envoy.config.route.v3.RouteMatch'));
  });

  test('agree with what raw resources may say, but for two that Envoy has changed', () => {
    const api = protobuf.Root.fromJSON(
      JSON.parse(readFileSync(join(repositoryRoot, 'src/proto/generated/api.json'), 'utf8')),
    );
    api.resolveAll();
    const differing: string[] = [];
    let compared = 0;
    const visit = (space: protobuf.NamespaceBase): void => {
      for (const item of space.nestedArray) {
        if (item instanceof protobuf.Namespace) visit(item);
        if (!(item instanceof protobuf.Type)) continue;
        const theirs = facts.messages.get(item.fullName) ?? [];
        for (const field of item.fieldsArray) {
          // Fields that 1.40 does not have (any more) are its to refuse.
          const fact = theirs.find((candidate) => candidate.number === field.id);
          if (fact === undefined) continue;
          compared += 1;
          const isMap = field instanceof protobuf.MapField;
          const own = field.resolvedType?.fullName ?? field.type;
          const isSame =
            protobuf.util.jsonName(fact.name) === protobuf.util.jsonName(field.name) &&
            fact.repeated === (isMap || field.repeated) &&
            (isMap || fact.type === own);
          if (!isSame) differing.push(field.fullName);
        }
      }
    };
    visit(api);
    assert.ok(compared > 3000, `only ${compared} compared`);
    assert.deepEqual(differing, [
      '.envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute.rate_limits',
      '.envoy.extensions.geoip_providers.maxmind.v3.MaxMindConfig.isp_db_path',
    ]);
  });

  test('agree with ours: names, numbers, types, labels, enum values', () => {
    const problems: string[] = [];
    let compared = 0;
    const compare = (type: protobuf.Type) => {
      const theirs = facts.messages.get(type.fullName);
      if (theirs === undefined) {
        problems.push(`${type.fullName} is not in Envoy`);
        return;
      }
      for (const field of type.fieldsArray) {
        compared += 1;
        const fact = theirs.find((candidate) => candidate.number === field.id);
        const map = field instanceof protobuf.MapField;
        const entry = map && fact !== undefined ? facts.messages.get(fact.type) : undefined;
        const expected = {
          name: fact === undefined ? '' : protobuf.util.jsonName(fact.name),
          repeated: fact?.repeated,
          type: map ? `map ${entry?.[0]?.type} ${entry?.[1]?.type}` : fact?.type,
        };
        const own = field.resolvedType?.fullName ?? field.type;
        const actual = {
          name: field.name,
          repeated: map || field.repeated,
          type: map ? `map ${field.keyType} ${own}` : own,
        };
        if (JSON.stringify(actual) !== JSON.stringify(expected)) {
          problems.push(
            `${type.fullName} ${field.id}: ours ${JSON.stringify(actual)}, Envoy ${JSON.stringify(expected)}`,
          );
        }
      }
    };
    const visit = (space: protobuf.NamespaceBase) => {
      for (const item of space.nestedArray) {
        if (item instanceof protobuf.Type) compare(item);
        if (item instanceof protobuf.Namespace) visit(item);
        if (!(item instanceof protobuf.Enum)) continue;
        const theirs = facts.enums.get(item.fullName);
        for (const [name, value] of Object.entries(item.values)) {
          compared += 1;
          if (theirs?.get(name) !== value)
            problems.push(`${item.fullName}.${name}: ours ${value}, Envoy ${theirs?.get(name)}`);
        }
      }
    };
    visit(root);
    assert.ok(compared > 800, `only ${compared} compared`);
    assert.deepEqual(problems, []);
  });
});
