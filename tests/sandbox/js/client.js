// Logs in, lists, multirequests and gets a URL with Kaltura's own JavaScript client; prints what it got as JSON.
const kaltura = require('kaltura-client');

const [serviceUrl, partnerId, secret, entryId] = process.argv.slice(2);
const config = new kaltura.Configuration();
config.serviceUrl = serviceUrl;
config.setLogger({ log() {}, debug() {}, error() {} });
const client = new kaltura.Client(config);
const { session, media, flavorAsset } = kaltura.services;

const run = (request) =>
  new Promise((resolve, reject) => {
    request
      .completion((success, result) => (success ? resolve(result) : reject(new Error(JSON.stringify(result)))))
      .execute(client);
  });

async function main() {
  const type = kaltura.enums.SessionType.ADMIN;
  client.setKs(await run(session.start(secret, 'js', type, Number(partnerId), 3600, '')));

  const filter = new kaltura.objects.MediaEntryFilter({ statusIn: '-1,1,2', orderBy: '+createdAt' });
  const pager = new kaltura.objects.FilterPager({ pageSize: 500, pageIndex: 1 });
  const list = await run(media.listAction(filter, pager));

  const flavors = new kaltura.objects.FlavorAssetFilter({ entryIdEqual: entryId, orderBy: '-size' });
  const many = await run(
    client
      .startMultiRequest()
      .add(media.get(entryId))
      .add(flavorAsset.listAction(flavors))
      .add(flavorAsset.getUrl('{2:result:objects:0:id}')) // references count from 1, though this client numbers from 0
      .add(media.get('0_missing1')),
  );
  const url = await run(flavorAsset.getUrl(many[1].objects[0].id));
  const failure = await run(media.get('0_missing1')).catch((error) => JSON.parse(error.message).code);
  console.log(
    JSON.stringify({
      totalCount: list.totalCount,
      names: list.objects.map((entry) => entry.name),
      multirequest: [many[0].name, many[1].totalCount, many[2], many[3].code],
      url,
      failure,
    }),
  );
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
